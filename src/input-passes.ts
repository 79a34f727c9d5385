/** Methods at the input: points on the way from a baseline, the Grad-CAM that a gradient is multiplied with, the attribution. */
import { uploadSelection, type WeightedMaps } from './cam/kept-maps.ts';
import { methodOf } from './custom-method.ts';
import type { BufferSlice } from './gpu/buffers.ts';
import type { Dispatch } from './gpu/encoder.ts';
import type { Workspace } from './gpu/workspace.ts';
import type { AtInput, Cam, Job, PathJob } from './job.ts';
import { type InputMethodRow, takesLayer, takesPath } from './methods.ts';
import type { Model } from './model.ts';
import { elementsOf } from './network/graph.ts';
import { activationSlice } from './network/run.ts';
import type { Batch } from './network/split.ts';
import { attribution } from './ops/attribution.ts';
import { MOMENT_FLOATS } from './ops/moments.ts';
import { path } from './ops/path.ts';
import { type AxisFit, preprocess, preprocessRowFloats, resizeRows } from './ops/preprocess.ts';
import { copySample } from './ops/sample-mean.ts';
import { upsample } from './ops/upsample.ts';
import { SCORE_TABLE } from './score-table.ts';

const prepareJobs: AtInput['prepareJobs'] = (model, options, input, workspace) => {
  const method = methodOf(options.method);
  const hasPath = takesPath(method);
  const takesInput = hasPath || (method.place === 'input' && method.factor === 'input');
  const baseline = takesInput ? workspace.filled('baseline', new Float32Array(model.inputShape[0])) : undefined;
  const path = baseline &&
    hasPath && {
      steps: options.steps,
      baseline,
      baselineLogits: workspace.floats('logits of the baseline', model.classCount),
    };
  const shared = { ...(baseline && { factor: { x: input, baseline } }), ...(path && { path }) };
  if (!takesLayer(method)) return { shared, complete: (job) => job };
  const layer = model.resolveLayer(options.layerName);
  const activations = workspace.floats("activations of the layer's Grad-CAM", elementsOf(layer.shape));
  return { shared, complete: (job) => multipliedByGradCam(job, layer, activations, workspace) };
};

function multipliedByGradCam(
  job: Job,
  { name: target, shape: [maps, height, width] }: ReturnType<Model['resolveLayer']>,
  activations: BufferSlice,
  workspace: Workspace,
): Job {
  const options = { ...job.options, method: 'grad-cam' } as const;
  const cells = height * width;
  const cam: Job = {
    ...job,
    options,
    target,
    maps,
    cells,
    selection: uploadSelection({ maps, height, width }, options, workspace),
    weighted: {
      method: options.method,
      maps,
      height,
      width,
      activations,
      sums: workspace.floats("moment sums of the layer's Grad-CAM", maps * cells * MOMENT_FLOATS),
      weights: workspace.floats("map weights of the layer's Grad-CAM", maps),
    },
    largestScore: workspace.floats("largest score of the layer's Grad-CAM", 1),
    signed: { ...workspace.floats("the layer's signed Grad-CAM", cells), size: 4 * cells },
    rectified: { ...workspace.floats("the layer's Grad-CAM", cells), size: 4 * cells },
  };
  const enlarged = workspace.floats("the layer's enlarged Grad-CAM", job.cells);
  return { ...job, cam: { job: cam, enlarged }, factor: { heat: enlarged } };
}

function enlargeGradCam({ weighted }: Job, { job: cam, enlarged: y }: Cam): Dispatch {
  const { height, width } = cam.weighted;
  const size = { outHeight: weighted.height, outWidth: weighted.width };
  return upsample({ maps: 1, height, width }, size, { x: cam.rectified, y });
}

const ONE_PIXEL: AxisFit = { size: 1, resized: 1, origin: 0, input: 1 };

async function blackBaseline(model: Model, workspace: Workspace, baseline: BufferSlice): Promise<Dispatch[]> {
  const shape = { x: ONE_PIXEL, y: ONE_PIXEL };
  const [pixels, rows] = await model.gpu.guard(async () => [
    workspace.filled('a black pixel', Uint32Array.of(0)),
    workspace.floats('a resized pixel', preprocessRowFloats(shape)),
  ]);
  return [
    resizeRows(shape, { firstRow: 0, rows: 1 }, { pixels, rows }),
    preprocess(shape, model.preprocessing, { rows, input: baseline }),
  ];
}

function pathDispatch({ context, input }: Job, { steps, baseline }: PathJob, batch: Batch): Dispatch {
  const [channels, height, width] = context.graph.input.shape;
  const rows = { firstPoint: batch.firstSample, points: batch.noisy, clean: batch.clean };
  const y = activationSlice(context, context.graph.input.name);
  return path({ channels, cells: height * width, steps }, rows, { x: input, baseline, y });
}

function baselineScores(
  { classes }: Job,
  { steps, baselineLogits }: PathJob,
  batch: Batch,
  x: BufferSlice,
): Dispatch[] {
  const row = steps - batch.firstSample;
  return row >= 0 && row < batch.noisy ? [copySample(classes, row, { x, total: baselineLogits })] : [];
}

function attributionDispatch(
  { options, maps: channels, cells, factor, signed, rectified }: Job,
  { sums, samples }: WeightedMaps,
): Dispatch {
  const { reduce } = methodOf(options.method) as InputMethodRow;
  return attribution({ channels, cells, samples }, reduce, { sums, signed, map: rectified }, factor);
}

const completenessOf: AtInput['completenessOf'] = (
  { signed, logits, baselineLogits, classIndex },
  { score, contrast },
) => {
  if (!baselineLogits) return undefined;
  let attributed = 0;
  for (const value of signed) attributed += value;
  // What is left of the class's own logit, in its place: with a contrast the score takes no other.
  const against = (of: Float32Array) =>
    contrast === undefined ? of : of.with(classIndex, of[classIndex] - of[contrast]);
  const scoreOf = (of: Float32Array) => SCORE_TABLE[score].integral(against(of), classIndex);
  const gained = scoreOf(logits) - scoreOf(baselineLogits);
  return { attributed, gained, gap: attributed - gained };
};

export const AT_INPUT: AtInput = {
  prepareJobs,
  enlargeGradCam,
  blackBaseline,
  pathDispatch,
  baselineScores,
  attributionDispatch,
  completenessOf,
};
