/** Weights of the feature maps that are made in other ways than those of the Grad-CAMs. */
import type { WeightedMaps } from './cam/kept-maps.ts';
import { holdLayer } from './cam/traced-layer.ts';
import { type CustomMethod, methodName, methodOf, type WeightsFunction } from './custom-method.ts';
import { OptionError } from './errors.ts';
import type { BufferSlice } from './gpu/buffers.ts';
import type { Dispatch } from './gpu/encoder.ts';
import type { Workspace } from './gpu/workspace.ts';
import type { Job, OtherWeights } from './job.ts';
import type { LayerMethodRow } from './methods.ts';
import { type ClassWeightsScratch, classWeights, classWeightsScratch } from './network/class-weights.ts';
import type { RunContext } from './network/run.ts';
import { expressionMap } from './ops/map.expression.ts';
import { MASK_RANGE_FLOATS } from './ops/mask-input.ts';
import { maskedScoreWeights, scoreDropWeights } from './ops/masked-scores.ts';
import { type SingularVectorScratch, singularVector, singularVectorGramFloats } from './ops/singular-vector.ts';
import { activationShareWeights, expressionWeights } from './ops/weights.other.ts';

function weightsScratch(
  { weights, masks }: LayerMethodRow,
  { graph, parameters }: RunContext,
  { maps, cells }: { maps: number; cells: number },
  workspace: Workspace,
): Pick<Job, 'classWeights' | 'singularVector' | 'maskRanges'> {
  if (weights === 'class-weights')
    return { classWeights: classWeightsScratch(graph, parameters.convention, workspace) };
  if (weights === 'singular-vector') {
    const singularVector = {
      largest: workspace.filled('largest activation', Uint32Array.of(0)),
      gram: workspace.floats('Gram matrix', singularVectorGramFloats({ maps, cells })),
      product: workspace.floats('product with the Gram matrix', maps),
      ended: workspace.floats('end of the power iteration', 1),
    };
    return { singularVector };
  }
  return masks === 'input' ? { maskRanges: workspace.floats('ranges of the masks', maps * MASK_RANGE_FLOATS) } : {};
}

function otherWeights(job: Job, weighted: WeightedMaps): Dispatch[] {
  const { options, maps, cells, singularVector: scratch, maskRanges: ranges, maskedScores: scores } = job;
  const { cleanLogits, classIndex: index } = job;
  const shape = { maps, cells, samples: weighted.samples };
  const { weights: kind, expression, needsGradient } = methodOf(options.method);
  const name = methodName(options.method);
  switch (kind) {
    case 'activation-share':
      return [activationShareWeights(shape, weighted)];
    case 'class-weights': {
      const { weights } = weighted;
      const { contrast } = options;
      return classWeights(job.context, job.classWeights as ClassWeightsScratch, { index, weights, contrast });
    }
    case 'expression': {
      const sums = needsGradient ? weighted.sums : undefined;
      return [expressionWeights(shape, { name, text: expression as string }, { ...weighted, sums })];
    }
    case 'cell-expression':
      // What the expression calls sum_a.
      return [expressionWeights(shape, { name, text: 'a' }, { ...weighted, sums: undefined })];
    case 'singular-vector': {
      const { activations, weights: vector } = weighted;
      return singularVector(shape, { activations, vector, ...(scratch as SingularVectorScratch) });
    }
    case 'masked-scores': {
      const { weights } = weighted;
      return [maskedScoreWeights(maps, { scores: scores as BufferSlice, ranges: ranges as BufferSlice, weights })];
    }
    case 'score-drop': {
      const { weights } = weighted;
      return [scoreDropWeights(maps, { scores: scores as BufferSlice, logits: cleanLogits, index, weights })];
    }
    default:
      throw new Error(`${kind} are no other weights`);
  }
}

export const OTHER_WEIGHTS: OtherWeights = { weightsScratch, otherWeights, expressionMap };

/**
 * Asks the method's function for the weights of the feature maps, by what the moments hold by now.
 *
 * @throws OptionError for weights that are none; AbortError; whatever the function throws
 */
export async function weighByFunction(
  { context, options, target, weighted, maps }: Job,
  samples: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { gpu } = context.parameters;
  const { name, weights: weigh } = options.method as CustomMethod;
  const held = await holdLayer(gpu, target, { ...weighted, samples: Math.max(1, samples) }, signal);
  try {
    const weights = await (weigh as WeightsFunction)(held.layer);
    const areNumbers = weights instanceof Float32Array && weights.every(Number.isFinite);
    if (!areNumbers || weights.length !== maps) {
      throw new OptionError(`the weights by ${name}`, weights, `a Float32Array of ${maps} finite numbers, one a map`);
    }
    gpu.write(weighted.weights.buffer, weights);
  } finally {
    held.release();
  }
}
