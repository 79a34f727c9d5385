/** The parts of an explanation instead of its map: feature maps, gradients and moments, for tools that are built on them. */
import { type HeldLayer, holdLayer } from './cam/traced-layer.ts';
import { optionChecks } from './checked-options.ts';
import { OptionError } from './errors.ts';
import { explainInBatches } from './explain.ts';
import type { Prediction } from './explanation.ts';
import type { ImageInput } from './image/picture.ts';
import type { Model } from './model.ts';
import { checkOptionNames, type OptionNames } from './option-names.ts';
import type { ExplainOptions } from './options.ts';
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
    | 'contrast'
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
  contrast: true,
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
  /** The class whose logit was differentiated, less that of a `contrast`, chosen or given. */
  readonly classIndex: number;
  /** S of that class on the clean picture. */
  readonly logit: number;
  /** Of the clean picture, the most probable first. */
  readonly predictions: readonly Prediction[];
  /** Destroys the buffers of all layers. More than once does no harm. */
  release(): void;
  /** As release(), at the end of a `using`. */
  [Symbol.dispose](): void;
}

/**
 * Hands out the feature maps of any layers, with the gradients of a class's logit with respect to them and the gradients'
 * moments over the noisy copies, as labelled GPU buffers on `model.gpu.device`; `array()` of each reads it back. A layer
 * holds four tensors of its feature maps' size: of VGG-16's block1_conv2, 4 × 12.8 MB.
 *
 * All layers share one pass: forward, and back to the lowest of them.
 *
 * @throws OptionError, ImageError, LimitError, OverflowError, DeviceLostError, DisposedError, AbortError
 */
export async function trace(model: Model, image: ImageInput, options: TraceOptions = {}): Promise<Trace> {
  model.throwIfDisposed();
  checkOptionNames('trace()', options, TRACE_OPTIONS);
  const { layers, ...call } = options;
  const { resolveOptions } = await optionChecks(options.signal);
  const asked = layerNames(model, layers).map((layerName) =>
    // Of the methods, the one whose map costs least: only its moments are wanted.
    resolveOptions({ ...call, method: 'hires-cam', layerName }, model),
  );
  const [{ nSamples }] = asked;
  const batches = explainInBatches(model, image, asked, { ...call, keep: false });
  const held: HeldLayer[] = [];
  const release = () => {
    for (const each of held) each.release();
  };
  try {
    for (;;) {
      const next = await batches.next();
      if (next.done) {
        const [{ classIndex, logit, predictions }] = next.value;
        const traced = Object.fromEntries(held.map(({ layer }) => [layer.name, layer]));
        return { layers: traced, classIndex, logit, predictions, release, [Symbol.dispose]: release };
      }
      const { samples, jobs } = next.value;
      if (samples < nSamples) continue;
      for (const { weighted, target } of jobs) {
        held.push(await holdLayer(model.gpu, target, { ...weighted, samples: Math.max(1, samples) }, options.signal));
      }
    }
  } catch (error) {
    release();
    throw error;
  } finally {
    await batches.return([]);
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
