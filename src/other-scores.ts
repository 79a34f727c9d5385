/** Scores other than e^S with samples that weigh the same: what differs from sample to sample, and the gradient of log p. */
import type { BufferSlice } from './gpu/buffers.ts';
import type { Dispatch } from './gpu/encoder.ts';
import type { Workspace } from './gpu/workspace.ts';
import type { Job, OtherScores } from './job.ts';
import { activationSlice, gradientSlice } from './network/run.ts';
import type { Batch } from './network/split.ts';
import { momentWeights, SAMPLE_WEIGHT_FLOATS, scoreDerivatives } from './ops/moments.sample-weights.ts';
import { logSoftmaxGradInput } from './ops/softmax.log-grad-input.ts';
import type { ResolvedOptions } from './options.ts';
import { SCORE_TABLE } from './score-table.ts';

function prepareSampleWeights(
  { score, sampleWeights }: ResolvedOptions,
  rows: number,
  workspace: Workspace,
): BufferSlice | undefined {
  const count = SAMPLE_WEIGHT_FLOATS * rows;
  switch (SCORE_TABLE[score].outer) {
    case 'identity':
      // φ' = 1, φ'' = φ''' = 0, whatever the sample.
      return workspace.filled(
        'sample weights',
        new Float32Array(count).map((_, i) => (i % SAMPLE_WEIGHT_FLOATS < 2 ? 1 : 0)),
      );
    case 'exp':
      return score === 'softmax' || sampleWeights === 'score' ? workspace.floats('sample weights', count) : undefined;
    case 'sigmoid':
      return workspace.floats('sample weights', count);
  }
}

function sampleWeightDispatches(job: Job, { firstSample, gradients }: Batch): Dispatch[] {
  const { context, options, classes, sampleWeights, classIndex: index, largestScore: largest } = job;
  if (!sampleWeights) return [];
  const logits = activationSlice(context, context.graph.logits.name);
  const { contrast } = options;
  switch (options.score) {
    case 'exp': {
      const restart = firstSample === 0;
      return [momentWeights(classes, gradients, { logits, index, largest, sampleWeights, contrast, restart })];
    }
    case 'sigmoid':
    case 'softmax':
      return [scoreDerivatives(options.score, classes, gradients, { logits, index, sampleWeights, contrast })];
    default:
      return [];
  }
}

function logSoftmaxSeed({ context, classes, classIndex: index }: Job, { gradients }: Batch): Dispatch {
  const { name } = context.graph.logits;
  const [logits, y] = [activationSlice(context, name), gradientSlice(context, name)];
  return logSoftmaxGradInput(classes, gradients, { logits, index, y });
}

export const OTHER_SCORES: OtherScores = { prepareSampleWeights, sampleWeightDispatches, logSoftmaxSeed };
