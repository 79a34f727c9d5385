/** The page's entry: the engine that explains in a worker, and the element <gradcam-view>, which is defined here. */
import { GradcamView } from './element/view.ts';

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
  MemoryError,
  ModelRecord,
  PictureSource,
  PngOptions,
  StepRecord,
} from './element/protocol.ts';
export { RemoteExplanation } from './element/remote-explanation.ts';
export { GradcamView } from './element/view.ts';
export type { GradcamViewEventMap, GradcamViewEvents, ViewProgress, ViewState } from './element/view-events.ts';
export type { CachedFile, WeightsStore } from './element/weights-store.ts';

declare global {
  interface HTMLElementTagNameMap {
    'gradcam-view': GradcamView;
  }
}

// Where there is a page, and another copy of the package has not been faster.
if (globalThis.customElements && !customElements.get('gradcam-view'))
  customElements.define('gradcam-view', GradcamView);
