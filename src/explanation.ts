/** What an explanation is made of, and how it comes from the numbers that were read back. */
import type { FilterContribution } from './cam/combined-maps.ts';
import type { KeptMaps } from './cam/kept-maps.ts';
import { checkFinite, type Outcome, outcomeOf } from './cam/outcome.ts';
import { methodOf } from './custom-method.ts';
import { OverflowError } from './errors.ts';
import type { Gpu, KernelTraits } from './gpu/gpu.ts';
import { type Box, type BoxOptions, boxesOf } from './image/boxes.ts';
import type { View } from './image/fit.ts';
import { drawOverlay, type OverlayImage, type OverlayOptions } from './image/overlay.ts';
import type { Picture } from './image/picture.ts';
import { type MethodRow, takesPath } from './methods.ts';
import type { Model, WeightsRecord } from './model.ts';
import type { ModelVariant } from './network/models.ts';
import { onDemand } from './on-demand.ts';
import type { KernelChoices, ResolvedOptions, SelectionOptions } from './options.ts';
import { VERSION } from './version.ts';

/** One class's place in a classification. */
export interface Prediction {
  /** Index into the logits, from 0. */
  readonly classIndex: number;
  /** The class's name, where the model was given labels. */
  readonly label: string | undefined;
  /** Softmax of the logits, 0 … 1. */
  readonly probability: number;
  /** S, the score before the softmax. */
  readonly logit: number;
}

/** Heat maps, row-major [maps, height, width]. */
export interface HeatMaps {
  /** The values; maps one after the other. */
  readonly data: Float32Array;
  /** How many maps, and the cells of each. */
  readonly shape: readonly [maps: number, height: number, width: number];
}

/** Milliseconds per stage. */
export interface Timings {
  /**
   * Decoding, planning, allocating and uploading. A layer's first explanation also makes the weights of its way back here;
   * of a picture beyond a binding, all bands but the last are resized here.
   */
  readonly prepare: number;
  /** From the picture's way into the network until the GPU is done; the first call also compiles the kernels here. */
  readonly compute: number;
  /** The read-back of the maps. */
  readonly read: number;
  /** From the call to the result; more than the sum of the stages. */
  readonly total: number;
  /** Of `compute`, on the GPU itself, with the option `timestamps` and where the device can tell. */
  readonly gpu?: number;
}

/** How a map was made: enough to make it again, and to tell whether it is the same. */
export interface Provenance<Options = ResolvedOptions> {
  /** 'gradcam-webgpu' and its version. */
  readonly library: string;
  /** As loadModel takes it. */
  readonly model: string;
  /** The network's sizes, as loadModel takes them. */
  readonly variant: ModelVariant;
  /** Which weights, by their checksum. */
  readonly weights: WeightsRecord;
  /** Which picture, by its pixels. */
  readonly picture: {
    /** Pixels. */
    readonly width: number;
    /** Pixels. */
    readonly height: number;
    /** 'sha256-<hex>' of its bytes in R, G, B, A order, row by row; A is 255 where it was given without. */
    readonly checksum: string;
  };
  /** The options in force. */
  readonly options: Options;
  /** The class that was explained, chosen or given. */
  readonly classIndex: number;
  /** What the kernels ran on. */
  readonly adapter: Gpu['adapterInfo'];
  /** What else of the device kernels are chosen and batches are split by. */
  readonly device: {
    /** In bytes. */
    readonly limits: {
      /** Of one buffer. */
      readonly maxBufferSize: number;
      /** Of what a kernel sees of a buffer. */
      readonly maxStorageBufferBindingSize: number;
    };
    /** What the choice of kernels depends on. */
    readonly traits: KernelTraits;
  };
  /** Of each convolution that was computed; the option `kernels` takes them again. */
  readonly kernels: KernelChoices;
  /** What came out. */
  readonly map: {
    /** [maps, height, width] */
    readonly shape: HeatMaps['shape'];
    /** 'sha256-<hex>' of its float32 values, little-endian, in their order. */
    readonly checksum: string;
  };
}

/** How far what the values of the input add makes up what the score gains from the baseline to the picture. */
export interface Completeness {
  /** Σ of `signed`. */
  readonly attributed: number;
  /**
   * The score of the picture less that of the baseline: S with score 'exp', whose factor e^S is dropped, else Y; with a
   * `contrast` S_a − S_b is in the place of S.
   */
  readonly gained: number;
  /** attributed − gained: the error of so many steps, and of float32. More steps make it smaller. */
  readonly gap: number;
}

/**
 * A map with what it shows and how it came about, and other views of the same numbers.
 *
 * @typeParam Options what was in force
 */
export interface Explanation<Options = ResolvedOptions> {
  /**
   * The map L, ≥ 0, raw: not normalised, at the layer's own resolution. Several with filters one by one. Of a method at the
   * input: one value for each of the input's cells.
   */
  readonly map: HeatMaps;
  /**
   * The same before the ReLU. Of a method at the input: what each value of the input adds, [channels, height, width], with the
   * channels in the order that the model takes them in (`model.preprocessing.channelOrder`).
   */
  readonly signed: HeatMaps;
  /** Of the clean picture, the most probable first. */
  readonly predictions: readonly Prediction[];
  /** The class that was explained, chosen or given. */
  readonly classIndex: number;
  /** S of the explained class on the clean picture. */
  readonly logit: number;
  /** What kind of map it is; a map is never NaN. */
  readonly outcome: Outcome;
  /** Of integrated gradients alone. */
  readonly completeness: Completeness | undefined;
  /**
   * Cells whose α was set to zero because its denominator was not above zero or not finite, of alphaCells: those of all
   * feature maps, whichever `filters` are shown. 0 of 0 for methods without α.
   */
  readonly alphaZeroCells: number;
  /** All cells of all feature maps, for methods with α. */
  readonly alphaCells: number;
  /**
   * With score softmax or log-softmax and a method with α, the most classes whose gradients a sample took, and the largest
   * probability that a sample's other classes had together; see the option maxDroppedShare. Else undefined, and 0.
   */
  readonly keptClasses: number | undefined;
  /** 0 … 1; see keptClasses. */
  readonly droppedMass: number;
  /** The rectangle of the picture that the maps cover, in its pixels; with fit 'pad' it reaches beyond the picture. */
  readonly view: View;
  /** The options in force, defaults filled in. */
  readonly options: Options;
  /** How long it took. */
  readonly timings: Timings;
  /** Everything needed to make the map again, and to tell whether it is the same. */
  readonly provenance: Provenance<Options>;
  /** The maps enlarged bilinearly, by default to the model's input size; for a picture fitted by 'squash', to any size. */
  upsample(size?: { height: number; width: number }): Promise<HeatMaps>;
  /** The heat map over the whole picture, at the picture's size. */
  overlay(options?: OverlayOptions): Promise<OverlayImage>;
  /** Boxes, in pixels of the picture, around the regions where a map is high; the best first. See boxesOf(). */
  boxes(options?: BoxOptions): Box[];
  /**
   * Heat maps of other feature maps or cells of the same layer, in one small dispatch: the network is not run again. Takes
   * what explain() takes as `filters`, `combineFilters`, `region` and `subset`; without any, the map of all of them.
   *
   * @throws OptionError, also for a method at the input; ReleasedError once the feature maps are no longer on the GPU, see
   * the option `keep`.
   */
  combine(selection?: SelectionOptions): Promise<CombinedMaps>;
  /**
   * The k feature maps that add most to the sum in front of the ReLU, the greatest first.
   *
   * @param within the cells that count; default all
   * @throws OptionError, ReleasedError
   */
  topFilters(k: number, within?: Pick<SelectionOptions, 'subset' | 'region'>): Promise<FilterContribution[]>;
  /** Frees what combine() and topFilters() need on the GPU; the result's own numbers stay. */
  release(): void;
  /** As release(), at the end of a `using`. */
  [Symbol.dispose](): void;
}

/** Maps made of a result's feature maps. */
export type CombinedMaps = Pick<Explanation, 'map' | 'signed' | 'outcome'>;

/** As it comes from the GPU. */
export interface ReadResult {
  readonly rectified: Float32Array<ArrayBuffer>;
  readonly signed: Float32Array;
  readonly logits: Float32Array;
  readonly probabilities: Float32Array;
  readonly classIndex: number;
  readonly zeroCells: number;
  /** Whether the scores of a noisy or masked copy are not finite. */
  readonly copyOverflow: boolean;
  /** Of integrated gradients. */
  readonly baselineLogits: Float32Array | undefined;
}

/** With what was known or made besides. */
export interface RawResult extends ReadResult {
  readonly completeness: Completeness | undefined;
  readonly keptClasses: number | undefined;
  readonly droppedMass: number;
}

export function finish(
  model: Model,
  picture: Picture,
  made: { readonly kernels: KernelChoices; readonly pictureChecksum: string; readonly mapChecksum: string },
  view: View,
  options: ResolvedOptions,
  { height, width }: { readonly height: number; readonly width: number },
  kept: KeptMaps | undefined,
  result: RawResult,
  timings: Timings,
): Explanation {
  const predictions = rankPredictions(model, result.logits, result.probabilities, options.topK);
  checkRange(result, options);
  const method = methodOf(options.method);
  const cells = height * width;
  const shape = [result.rectified.length / cells, height, width] as const;
  const alphaCells = kept && method.weights === 'alpha' ? kept.weighted.maps * cells : 0;
  const alpha = { zeroCells: result.zeroCells, cells: alphaCells };
  const heat = { data: result.rectified, shape };
  const { maxBufferSize, maxStorageBufferBindingSize } = model.gpu.limits;
  return {
    map: heat,
    signed: { data: result.signed, shape: [result.signed.length / cells, height, width] },
    predictions,
    classIndex: result.classIndex,
    logit: result.logits[result.classIndex],
    outcome: outcomeOf(signedMaps(result, shape, method).data, alpha),
    completeness: result.completeness,
    alphaZeroCells: result.zeroCells,
    alphaCells,
    keptClasses: result.keptClasses,
    droppedMass: result.droppedMass,
    view,
    options,
    timings,
    provenance: {
      library: `gradcam-webgpu ${VERSION}`,
      model: model.name,
      variant: model.variant,
      weights: model.weights,
      picture: { width: picture.width, height: picture.height, checksum: made.pictureChecksum },
      options,
      classIndex: result.classIndex,
      adapter: model.gpu.adapterInfo,
      device: { limits: { maxBufferSize, maxStorageBufferBindingSize }, traits: model.gpu.traits },
      kernels: made.kernels,
      map: { shape, checksum: made.mapChecksum },
    },
    upsample: async (size = { height: model.inputShape[1], width: model.inputShape[2] }) => {
      const { upsampleMaps } = await onDemand('the enlarging of maps', () => import('./image/upsample.ts'));
      return upsampleMaps(model.gpu, heat, size);
    },
    overlay: (overlayOptions) =>
      drawOverlay(
        model.gpu,
        picture,
        { rectified: heat, signed: () => signedMaps(result, shape, method) },
        view,
        overlayOptions,
      ),
    boxes: (boxOptions) => boxesOf(heat, { picture, view }, boxOptions),
    combine: async (selection) => (await combinations()).combine(kept, options.method, alpha, selection),
    topFilters: async (k, within) => (await combinations()).topFilters(kept, options.method, k, within),
    release: () => kept?.release(),
    [Symbol.dispose]: () => kept?.release(),
  };
}

/**
 * What the maps were in front of their ReLU, if they have one.
 *
 * @param result its values, of a method at the input channel by channel before the ReLU
 * @param shape of the maps behind it
 */
export function signedMaps(
  { signed, rectified }: { readonly signed: Float32Array; readonly rectified: Float32Array },
  shape: HeatMaps['shape'],
  method: MethodRow,
): HeatMaps {
  if (method.place === 'layer') return { data: signed, shape };
  if (method.reduce === 'largest') return { data: rectified, shape };
  const sums = new Float32Array(rectified.length);
  for (let i = 0; i < signed.length; i++) sums[i % sums.length] += signed[i];
  return { data: sums, shape };
}

/** @throws LoadError */
function combinations() {
  return onDemand('what combines feature maps', () => import('./cam/combined-maps.ts'));
}

export function rankPredictions(
  model: Model,
  logits: Float32Array,
  probabilities: Float32Array,
  topK: number,
): Prediction[] {
  checkFinite(`the logits of ${model.name}`, logits);
  const order = Array.from(logits, (_, i) => i).sort((a, b) => logits[b] - logits[a] || a - b);
  return order.slice(0, topK).map((classIndex) => ({
    classIndex,
    label: model.labels?.[classIndex],
    probability: probabilities[classIndex],
    logit: logits[classIndex],
  }));
}

/** @throws OverflowError where a copy of the picture, or the map, left float32's range */
export function checkRange(result: Pick<RawResult, 'signed' | 'copyOverflow'>, options: ResolvedOptions): void {
  checkCopies(result, options);
  const { expression } = methodOf(options.method);
  const advice = expression && `"${expression}" is not finite everywhere: guard what it divides by with select()`;
  checkFinite(`the map of ${options.layerName ?? 'the input'}`, result.signed, advice);
}

/** @throws OverflowError where a copy of the picture left float32's range, by noise, by what it lacks or on a path. */
function checkCopies(
  { copyOverflow }: Pick<RawResult, 'copyOverflow'>,
  { stdDev, noiseScale, method, layerName }: ResolvedOptions,
): void {
  if (!copyOverflow) return;
  if (methodOf(method).masks || takesPath(methodOf(method))) {
    const copy = takesPath(methodOf(method))
      ? 'point between the baseline and the picture'
      : `copy that is masked by a map of ${layerName}`;
    throw new OverflowError(
      `the scores of a ${copy} are not finite: float32 overflows on the way. The ` +
        'weights are too large: scale them down.',
    );
  }
  throw new OverflowError(
    `the scores of a noisy copy are not finite: with stdDev ${stdDev} (${noiseScale}) float32 overflows on the way. ` +
      'Lower stdDev; 0.1 to 0.3 of the range of the input are usual.',
  );
}
