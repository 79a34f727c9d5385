/**
 * The scores: Y, the function of the logits S that is differentiated. Each is Y = φ(x) of the class's logit x = S_c, which is
 * piecewise linear in the feature maps with the gradient g, or of x = log p_c with the softmax p, whose derivatives are
 * u = g_c − ḡ, −v and −m3: with ḡ = Σ_j p_j g_j over all classes, v = Σ_j p_j (g_j − ḡ)², m3 = Σ_j p_j (g_j − ḡ)³.
 */
import { SCORE_VARIABLES, type ScoreName, type ScoreVariable } from './scores.ts';

/** A function Y of the logits. */
export interface Score {
  /** x, what Y is a function of. */
  readonly of: ScoreVariable;
  /** φ. */
  readonly outer: 'exp' | 'identity' | 'sigmoid';
  /** The score and its first three derivatives in one cell. */
  readonly equation: string;
  /** What D1 is the gradient of: Y, but for exp S, since e^S is left out of its derivatives. */
  integral(logits: ArrayLike<number>, classIndex: number): number;
}

const logitOf = (logits: ArrayLike<number>, classIndex: number) => logits[classIndex];

/** log p_c = −ln Σ_j e^(S_j − S_c), the largest logit taken off first. */
function logSoftmaxOf(logits: ArrayLike<number>, classIndex: number): number {
  const values = Array.from(logits);
  const largest = values.reduce((a, b) => Math.max(a, b));
  const sum = values.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  return logits[classIndex] - largest - Math.log(sum);
}

/** Every score by its name, with its derivatives. */
export const SCORE_TABLE: Readonly<Record<ScoreName, Score>> = {
  exp: {
    of: SCORE_VARIABLES.exp,
    outer: 'exp',
    equation: 'Y = e^S: ωg, ωg², ωg³, ω of the option sampleWeights in the place of e^S',
    integral: logitOf,
  },
  logit: { of: SCORE_VARIABLES.logit, outer: 'identity', equation: 'Y = S: g, 0, 0', integral: logitOf },
  sigmoid: {
    of: SCORE_VARIABLES.sigmoid,
    outer: 'sigmoid',
    equation: 'Y = s = 1 / (1 + e^−S): s(1 − s)g, s(1 − s)(1 − 2s)g², s(1 − s)(1 − 6s + 6s²)g³',
    integral: (logits, classIndex) => 1 / (1 + Math.exp(-logits[classIndex])),
  },
  softmax: {
    of: SCORE_VARIABLES.softmax,
    outer: 'exp',
    equation: 'Y = p: pu, p(u² − v), p(u³ − 3uv − m3)',
    integral: (logits, classIndex) => Math.exp(logSoftmaxOf(logits, classIndex)),
  },
  'log-softmax': {
    of: SCORE_VARIABLES['log-softmax'],
    outer: 'identity',
    equation: 'Y = log p: u, −v, −m3',
    integral: logSoftmaxOf,
  },
};
