/** The page's entry: the engine that explains in a worker, and the element that shows it. */
export {
  Engine,
  type EngineInput,
  type EngineStartOptions,
  type ExplainHooks,
  type LoadedModel,
  type OpenedPicture,
} from './element/engine.ts';
export { EngineError } from './element/errors.ts';
export type {
  DeviceOptions,
  DeviceState,
  EngineImage,
  EngineMemory,
  EngineOptions,
  ExplanationRecord,
  LayerRecord,
  LoadRequest,
  ModelRecord,
  PictureSource,
  PngOptions,
  StepRecord,
} from './element/protocol.ts';
export { RemoteExplanation } from './element/remote-explanation.ts';
export type { CachedFile, WeightsStore } from './element/weights-store.ts';
