/** What the page and the engine's worker say to each other. */
import type {
  AdapterInfo,
  Box,
  BoxOptions,
  ClassifyOptions,
  CombinedMaps,
  ExplainOptions,
  ExplainProgress,
  Explanation,
  FilterContribution,
  FusedOptions,
  Fusion,
  GpuRequestOptions,
  HeatMaps,
  LimitError,
  LoadProgress,
  MethodName,
  OverlayOptions,
  PictureSize,
  Pixels,
  Precision,
  Prediction,
  ProgressiveOptions,
  ProgressiveStep,
  ResolvedOptions,
  SceneOptions,
  SelectionOptions,
  WeightsRecord,
} from '../index.ts';
import type { GraphNode } from '../network/graph.ts';

/** A picture that can be sent to the worker; a Blob is decoded there. */
export type EngineImage = Pixels | ImageData | ImageBitmap | Blob;

/** How the engine's device is asked for: what of Gpu.request() can be sent to a worker. */
export interface DeviceOptions
  extends Pick<GpuRequestOptions, 'limits' | 'precision' | 'powerPreference' | 'tune' | 'forceVariant'> {
  /**
   * Pictures with more pixels are shrunk to as many when they are decoded, and explained so: a picture takes four bytes a
   * pixel several times. Default 4096².
   */
  maxPicturePixels?: number;
}

/** The device that the engine has. */
export interface DeviceState {
  /** What it runs on. */
  readonly adapter: AdapterInfo;
  /** The device's limits by name. */
  readonly limits: Readonly<Record<string, number>>;
}

/** Which model to load; the same request gives the same model. */
export interface LoadRequest {
  /** One of MODELS, by its name. */
  model: string;
  /** A URL, or the files of a file input or a dropped folder. Default: where the model is published. */
  weights?: string | File | readonly File[];
  /** Names of the classes, or the URL of a JSON array of them. Default: those of the built-in model. */
  labels?: string | readonly string[];
  /** As loadModel takes it. */
  precision?: Precision;
  /** 'sha256-<hex>' that the weights must have. */
  checksum?: string;
}

/** A layer of a loaded model. */
export interface LayerRecord {
  /** Its own name. */
  readonly name: string;
  /** Its other names, such as torchvision's. */
  readonly aliases: readonly string[];
  /** What it does: 'conv2d', 'maxpool', 'dense' … */
  readonly type: GraphNode['op'];
  /** [maps, height, width]; a vector of n values is [n, 1, 1]. */
  readonly shape: readonly [maps: number, height: number, width: number];
  /** Whether its feature maps can be explained. */
  readonly canBeExplained: boolean;
}

/** A model that the engine holds. */
export interface ModelRecord {
  /** The same for the same request. */
  readonly key: string;
  /** One of MODELS, by its name. */
  readonly name: string;
  /** Names of the classes in index order, if they are known. */
  readonly labels: readonly string[] | undefined;
  /** [channels, height, width] */
  readonly inputShape: readonly [number, number, number];
  /** How many classes there are. */
  readonly classCount: number;
  /** In forward order. */
  readonly layers: readonly LayerRecord[];
  /** Names of the methods that the network takes. */
  readonly methods: readonly MethodName[];
  /** The layer that is explained by default. */
  readonly defaultLayer: string;
  /** Which weights they are. */
  readonly weightsRecord: WeightsRecord;
}

/** A picture that the worker holds decoded. */
export interface PictureRecord {
  /** Its number in the engine. */
  readonly id: number;
  /** Pixels, as it is explained. */
  readonly width: number;
  /** Likewise. */
  readonly height: number;
  /** As it was given: larger than it is explained where it was shrunk. */
  readonly original: PictureSize;
  /** The picture to show, no side longer than asked for. */
  readonly preview: ImageBitmap;
}

/** A picture on its way to the worker: itself, or its address. */
export type NewImage = EngineImage | { readonly url: string };

/** Or one that was opened before. */
export type ImageReference = NewImage | { readonly opened: number };

/** The numbers of an Explanation, without its calls. */
export type ExplanationRecord = Omit<Explanation<ResolvedOptions | FusedOptions>, ExplanationCall> & {
  /** Of fused maps, each layer's own result. */
  readonly layers?: readonly Omit<Explanation, ExplanationCall>[];
};
type ExplanationCall = 'upsample' | 'overlay' | 'boxes' | 'combine' | 'topFilters' | 'release' | typeof Symbol.dispose;

/** A step of a growing explanation; the result comes when it is the last. */
export type StepRecord = Omit<ProgressiveStep, 'result'>;

/** What a result's record may say of where the picture was. */
export type PictureSource =
  | {
      /** Its path. */
      readonly file: string;
    }
  | {
      /** As drawScene() takes it. */
      readonly scene: {
        /** What it is drawn from. */
        readonly seed: number;
      } & SceneOptions;
    };

export interface PngOptions extends OverlayOptions {
  /** Draws the boxes of the map. */
  boxes?: BoxOptions;
  /** For `gradcam replay`: the picture's file, by its path from the PNG, or the drawn scene. */
  source?: PictureSource;
}

/** What explain() takes for one result, and `tolerance` of explainProgressively(). */
export type EngineOptions = Omit<ExplainOptions, 'layerName' | 'signal' | 'onProgress'> &
  Pick<ProgressiveOptions, 'tolerance'> & {
    /** Several layers go with `fusion`. */
    layerName?: string | readonly string[];
    /** How the layers' maps become one. */
    fusion?: Fusion;
  };

/** An explanation did not fit the memory, not with half the samples a dispatch either. */
export interface MemoryError extends LimitError {
  /** Samples a dispatch that were tried last. */
  readonly batch: number;
}

/** What the engine holds. */
export interface EngineMemory {
  /** Bytes of the GPU buffers. */
  readonly gpuBytes: number;
  /** How many. */
  readonly models: number;
  /** How many that were opened. */
  readonly pictures: number;
  /** How many whose feature maps are kept. */
  readonly results: number;
}

/** What the worker tells without being asked: of the device, and of a running task. */
export type EngineEvent =
  | { readonly type: 'device-lost'; readonly reason: string }
  | { readonly type: 'recovered'; readonly state: DeviceState }
  /** The device did not come back; the next call asks for one again. */
  | { readonly type: 'device-gone'; readonly reason: string }
  | { readonly type: 'load-progress'; readonly task: number; readonly progress: LoadProgress }
  | { readonly type: 'explain-progress'; readonly task: number; readonly progress: ExplainProgress }
  | { readonly type: 'step'; readonly task: number; readonly step: StepRecord };

/** The worker's calls. A task is a number of the caller's choice by which a running call is watched and stopped. */
export interface EngineApi {
  configure(options: DeviceOptions, onEvent: (event: EngineEvent) => void): void;
  ready(): Promise<DeviceState>;
  /** @param previewSide pixels that no side of the preview exceeds */
  openPicture(task: number, image: NewImage, previewSide: number): Promise<PictureRecord>;
  closePicture(id: number): void;
  load(task: number, request: LoadRequest): Promise<ModelRecord>;
  /** Takes one load() back; the last one frees the model. */
  unload(key: string): void;
  classify(
    task: number,
    key: string,
    image: ImageReference,
    options: Omit<ClassifyOptions, 'signal'>,
  ): Promise<Prediction[]>;
  /** @param grows whether steps are wanted, of what can grow */
  explain(
    task: number,
    key: string,
    image: ImageReference,
    options: EngineOptions,
    grows: boolean,
  ): Promise<{ id: number; record: ExplanationRecord }>;
  /** Ends a call with an AbortError. */
  abort(task: number): void;
  /** Ends a growing explanation with the batch that is under way: its result is that of the copies so far. Aborts another. */
  stop(task: number): void;
  combine(id: number, selection: SelectionOptions): Promise<CombinedMaps>;
  topFilters(
    id: number,
    k: number,
    within?: Pick<SelectionOptions, 'subset' | 'region'>,
  ): Promise<FilterContribution[]>;
  upsample(id: number, size?: { height: number; width: number }): Promise<HeatMaps>;
  boxes(id: number, options?: BoxOptions): Promise<Box[]>;
  overlay(id: number, options?: OverlayOptions): Promise<ImageBitmap>;
  png(id: number, options?: PngOptions): Promise<Blob>;
  release(id: number): void;
  memory(): Promise<EngineMemory>;
}

/** The same as the page sees it: every answer takes a message. */
export type RemoteApi = {
  readonly [Call in keyof EngineApi]: (
    ...args: Parameters<EngineApi[Call]>
  ) => Promise<Awaited<ReturnType<EngineApi[Call]>>>;
};
