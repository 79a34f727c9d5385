import type { CombinedMaps } from '../index.ts';
import type { StepRecord } from './protocol.ts';
import type { RemoteExplanation } from './remote-explanation.ts';

/** How far the work has come. */
export interface ViewProgress {
  /** What is being done. */
  readonly stage: 'loading' | 'explaining';
  /** Bytes of weights, or passes through the network. */
  readonly done: number;
  /** In all, in the same unit. */
  readonly total: number;
}

/** By name, what addEventListener() hands out; 'error' is an ErrorEvent. */
export interface GradcamViewEvents {
  /** Something has come on. */
  progress: CustomEvent<ViewProgress>;
  /** The map has grown by a batch of noisy copies. */
  step: CustomEvent<StepRecord>;
  /** The map is there. */
  result: CustomEvent<RemoteExplanation>;
  /** Maps of other feature maps or cells of the same result are there. */
  combine: CustomEvent<CombinedMaps>;
  /** Something failed; the element says what, and `error` of the event is it. */
  error: ErrorEvent;
}

/** Those, and what every element has. */
export interface GradcamViewEventMap extends Omit<HTMLElementEventMap, keyof GradcamViewEvents>, GradcamViewEvents {}

/** What the element is doing, also as a CSS state: `gradcam-view:state(explaining)`. */
export type ViewState = 'empty' | 'ready' | 'loading' | 'explaining' | 'done' | 'failed';
