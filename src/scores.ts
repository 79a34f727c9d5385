/** Names of the scores, with what each is a function of: all that the usual one asks of them. score-table.ts has the rest. */

/** x of Y = φ(x): the class's logit, or the logarithm of its softmax, which all logits have a part in. */
export type ScoreVariable = 'logit' | 'log-softmax';

const TABLE = {
  exp: 'logit',
  logit: 'logit',
  sigmoid: 'logit',
  softmax: 'log-softmax',
  'log-softmax': 'log-softmax',
} as const satisfies Readonly<Record<string, ScoreVariable>>;

/** One of SCORES. */
export type ScoreName = keyof typeof TABLE;

export const SCORE_VARIABLES: Readonly<Record<ScoreName, ScoreVariable>> = TABLE;

/** Names of the scores. */
export const SCORES = Object.keys(TABLE) as readonly ScoreName[];
