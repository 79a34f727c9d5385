/** A result whose feature maps are in the worker. */
import { encodeNpy } from '../image/npy.ts';
import type {
  Box,
  BoxOptions,
  CombinedMaps,
  FilterContribution,
  HeatMaps,
  OverlayOptions,
  SelectionOptions,
} from '../index.ts';
import type { ExplanationRecord, PictureSource, PngOptions, RemoteApi } from './protocol.ts';

/** The worker's answer to a call. */
type Ask = <T>(work: (api: RemoteApi) => Promise<T>) => Promise<T>;

/** A result that the page has lost sight of need not be kept in the worker. */
const forgotten = new FinalizationRegistry((release: () => void) => release());

// The record's values become the instance's own.
export interface RemoteExplanation extends ExplanationRecord {}

/**
 * The numbers of an Explanation, at once; its calls are answered by the worker. What they say of options and errors is said at
 * Explanation. A result whose device was lost is made again when it is asked.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the constructor assigns every value of the record
export class RemoteExplanation {
  /** Its number in the engine. */
  readonly id: number;
  readonly #ask: Ask;
  readonly #release: () => void;

  /**
   * @param ask gives the worker's answers
   *
   * @internal
   */
  constructor(id: number, record: ExplanationRecord, ask: Ask) {
    Object.assign(this, record);
    this.id = id;
    this.#ask = ask;
    this.#release = () => void ask((api) => api.release(id)).catch(() => {});
    forgotten.register(this, this.#release, this);
  }

  /** Maps of other feature maps or cells, without the network. */
  combine(selection: SelectionOptions = {}): Promise<CombinedMaps> {
    return this.#ask((api) => api.combine(this.id, selection));
  }

  /** The k feature maps that add most to the map, best first. */
  topFilters(k: number, within?: Pick<SelectionOptions, 'subset' | 'region'>): Promise<FilterContribution[]> {
    return this.#ask((api) => api.topFilters(this.id, k, within));
  }

  /** Boxes, in pixels of the picture, around the regions where a map is high; the best first. */
  boxes(options?: BoxOptions): Promise<Box[]> {
    return this.#ask((api) => api.boxes(this.id, options));
  }

  /** The maps enlarged bilinearly, by default to the model's input size. */
  upsample(size?: { height: number; width: number }): Promise<HeatMaps> {
    return this.#ask((api) => api.upsample(this.id, size));
  }

  /** The heat map over the whole picture, at the picture's size. */
  overlay(options?: OverlayOptions): Promise<ImageBitmap> {
    return this.#ask((api) => api.overlay(this.id, options));
  }

  /** The overlay as a PNG file with the record of how it was made, for `gradcam replay`. */
  png(options?: PngOptions): Promise<Blob> {
    return this.#ask((api) => api.png(this.id, options));
  }

  /** The raw maps as NumPy's .npy file: float32 [height, width], or [maps, height, width] with several. */
  npy(): Blob {
    const { data, shape } = this.map;
    return new Blob([encodeNpy(data, shape[0] === 1 ? shape.slice(1) : shape)], { type: 'application/octet-stream' });
  }

  /** All but the maps' values, for people and for `gradcam replay`. */
  json(options: { source?: PictureSource } = {}): Blob {
    const { map, signed, layers, ...rest } = this as ExplanationRecord;
    const [maps, height, width] = map.shape;
    const max = map.data.reduce((a, b) => Math.max(a, b), 0);
    const record = { ...rest, map: { maps, height, width, max }, source: options.source };
    // With null for what is undefined every key is there.
    const text = JSON.stringify(record, (_, value) => (value === undefined ? null : value), 2);
    return new Blob([`${text}\n`], { type: 'application/json' });
  }

  /** Frees what the engine keeps of it; its own numbers stay. */
  release(): void {
    forgotten.unregister(this);
    this.#release();
  }

  /** As release(), at the end of a `using`. */
  [Symbol.dispose](): void {
    this.release();
  }
}
