/** The parts of an explanation instead of its map: feature maps, gradients and moments, for tools that are built on them. */
import { type HeldLayer, holdLayer } from './cam/traced-layer.ts';
import { OptionError } from './errors.ts';
import { explainInBatches } from './explain.ts';
import type { Explanation, Prediction } from './explanation.ts';
import { type ImageInput, readPicture } from './image/picture.ts';
import type { Model } from './model.ts';
import { checkOptionNames, type OptionNames } from './option-names.ts';
import { type ExplainOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import type { TracedLayer } from './traced.ts';

/** What trace() takes: `layers`, and what explain() takes under the same names. */
export interface TraceOptions
  extends Pick<
    ExplainOptions,
    | 'nSamples'
    | 'stdDev'
    | 'noiseScale'
    | 'seed'
    | 'sampleWeights'
    | 'activations'
    | 'classIndex'
    | 'fit'
    | 'batch'
    | 'topK'
    | 'kernels'
    | 'signal'
    | 'onProgress'
  > {
  /** Names or aliases of layers, each once. Default: the network's last convolution alone. */
  layers?: readonly string[];
}

const TRACE_OPTIONS: OptionNames<TraceOptions> = {
  layers: true,
  nSamples: true,
  stdDev: true,
  noiseScale: true,
  seed: true,
  sampleWeights: true,
  activations: true,
  classIndex: true,
  fit: true,
  batch: true,
  topK: true,
  kernels: true,
  signal: true,
  onProgress: true,
};

/** What trace() hands out. The buffers are the caller's until release(). */
export interface Trace {
  /** By the layers' own names, whatever alias they were asked for with, in the order that they were asked for. */
  readonly layers: Readonly<Record<string, TracedLayer>>;
  /** The class whose logit was differentiated, chosen or given. */
  readonly classIndex: number;
  /** S of that class on the clean picture. */
  readonly logit: number;
  /** Of the clean picture, the most probable first. */
  readonly predictions: readonly Prediction[];
  /** Destroys the buffers of all layers. More than once does no harm. */
  release(): void;
  [Symbol.dispose](): void;
}

/**
 * Hands out the feature maps of any layers, with the gradients of a class's logit with respect to them and the gradients'
 * moments over the noisy copies, as labelled GPU buffers on `model.gpu.device`; `array()` of each reads it back. A layer
 * holds four tensors of its feature maps' size: of VGG-16's block1_conv2, 4 × 12.8 MB.
 *
 * Each layer takes a pass of its own, of which the way forward repeats: two layers cost what two explanations cost.
 *
 * @throws OptionError, ImageError, LimitError, OverflowError, DeviceLostError, DisposedError, AbortError
 */
export async function trace(model: Model, image: ImageInput, options: TraceOptions = {}): Promise<Trace> {
  model.throwIfDisposed();
  checkOptionNames('trace()', options, TRACE_OPTIONS);
  const { layers, ...call } = options;
  const passes = layerNames(model, layers).map((layerName) =>
    // Of the methods, the one whose map costs least: only its moments are wanted.
    resolveOptions({ ...call, method: 'hires-cam', layerName }, model),
  );
  const picture = await readPicture(image);
  const held: HeldLayer[] = [];
  const release = () => {
    for (const each of held) each.release();
  };
  try {
    let first: Explanation | undefined;
    for (const [i, pass] of passes.entries()) {
      // The class that the first pass chooses is that of all: the others round differently.
      const inForce = { ...pass, classIndex: first?.classIndex ?? pass.classIndex };
      const onProgress = progressOf(i, passes.length, call.onProgress);
      const { explanation, layer } = await tracePass(model, picture, inForce, { ...call, onProgress });
      held.push(layer);
      first ??= explanation;
    }
    const { classIndex, logit, predictions } = first as Explanation;
    const traced = Object.fromEntries(held.map(({ layer }) => [layer.name, layer]));
    return { layers: traced, classIndex, logit, predictions, release, [Symbol.dispose]: release };
  } catch (error) {
    release();
    throw error;
  }
}

function layerNames(model: Model, layers: readonly string[] | undefined): string[] {
  if (layers === undefined) return [model.resolveLayer().name];
  if (!Array.isArray(layers) || layers.length === 0) {
    throw new OptionError('layers', layers, "a list of at least one layer, such as ['block5_conv3']");
  }
  const names = layers.map((layer) => model.resolveLayer(layer).name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new OptionError('layers', layers, `each layer once; ${twice} is there twice`);
  return names;
}

/** One explanation, and what it is made of. */
async function tracePass(
  model: Model,
  image: ImageInput,
  pass: ResolvedOptions,
  call: TraceOptions,
): Promise<{ explanation: Explanation; layer: HeldLayer }> {
  const batches = explainInBatches(model, image, [pass], { ...call, keep: false });
  let layer: HeldLayer | undefined;
  try {
    for (;;) {
      const next = await batches.next();
      if (next.done) return { explanation: next.value[0], layer: layer as HeldLayer };
      const { samples, jobs } = next.value;
      if (samples < pass.nSamples) continue;
      const [{ weighted, target }] = jobs;
      layer = await holdLayer(model.gpu, target, { ...weighted, samples: Math.max(1, samples) });
    }
  } catch (error) {
    layer?.release();
    throw error;
  } finally {
    await batches.return([]);
  }
}

/** Passes the progress of one of several passes on as a part of the whole. */
function progressOf(pass: number, passes: number, onProgress: TraceOptions['onProgress']): TraceOptions['onProgress'] {
  return onProgress && (({ done, total }) => onProgress({ done: pass * total + done, total: passes * total }));
}
