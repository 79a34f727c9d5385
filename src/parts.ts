/** What is loaded with the first call that takes more than a Grad-CAM at a layer does. */
import { methodOf } from './custom-method.ts';
import { type JobParts, needsClassMoments } from './job.ts';
import { takesPath } from './methods.ts';
import { onDemand } from './on-demand.ts';
import type { ResolvedOptions } from './options.ts';

export interface Parts extends JobParts {
  readonly masked?: typeof import('./masked-passes.ts');
  readonly classes?: typeof import('./class-passes.ts');
  readonly refusals?: typeof import('./refusals.ts');
  readonly byFunction?: typeof import('./other-weights.ts').weighByFunction;
}

/** The weights that the Grad-CAMs take, and maps that need none. */
const USUAL_WEIGHTS: readonly unknown[] = ['mean-gradient', 'alpha', 'gradient', 'positive-gradient'];

/** @throws LoadError, AbortError */
export async function loadParts(options: ResolvedOptions, signal: AbortSignal | undefined): Promise<Parts> {
  const method = methodOf(options.method);
  const { place, weights, masks } = method;
  const [scores, other, input, masked, classes, refusals] = await Promise.all([
    options.score !== 'exp' || (options.sampleWeights === 'score' && !takesPath(method))
      ? onDemand('other scores', () => import('./other-scores.ts'), signal)
      : undefined,
    place === 'layer' && !USUAL_WEIGHTS.includes(weights)
      ? onDemand('the weights of other methods', () => import('./other-weights.ts'), signal)
      : undefined,
    place === 'input' ? onDemand('methods at the input', () => import('./input-passes.ts'), signal) : undefined,
    masks ? onDemand('methods with masked copies', () => import('./masked-passes.ts'), signal) : undefined,
    needsClassMoments(options)
      ? onDemand('scores that are made of all classes', () => import('./class-passes.ts'), signal)
      : undefined,
    options.contrast !== undefined && options.classIndex === undefined
      ? onDemand('what checks the contrast', () => import('./refusals.ts'), signal)
      : undefined,
  ]);
  return {
    otherScores: scores?.OTHER_SCORES,
    otherWeights: other?.OTHER_WEIGHTS,
    byFunction: weights === 'function' ? other?.weighByFunction : undefined,
    atInput: input?.AT_INPUT,
    masked,
    classes,
    refusals,
  };
}
