/** Failures in words that say what to do, with a button where the page can do it. */
import { GradcamError, LimitError, WeightsError } from 'gradcam-webgpu';
import type { MemoryError } from 'gradcam-webgpu/element';

/** What the page can do about it; `fewerAtOnce` are the copies of the picture at once to try it with. */
export type Action = 'again' | 'reload' | { readonly fewerAtOnce: number };

export interface Message {
  readonly text: string;
  /** What the library said, for those who want to know. */
  readonly detail?: string;
  readonly action?: Action;
}

export function wordsFor(error: unknown, during: 'picture' | 'model' | 'explanation'): Message {
  const detail = error instanceof Error ? error.message : String(error);
  if (!(error instanceof GradcamError))
    return { text: 'Something went wrong that should not have.', detail, action: 'again' };
  switch (error.code) {
    case 'gpu-unavailable':
      return {
        text:
          'This browser offers no WebGPU, which the page computes with. Chrome, Edge, Firefox or Safari of 2025 or later have ' +
          'it; on Linux it may have to be switched on, and pages must be served by https or from localhost.',
        detail,
        action: 'reload',
      };
    case 'device-lost':
      return { text: 'The GPU was lost and did not come back.', detail, action: 'again' };
    case 'limit':
      return wordsForLimit(error, detail);
    case 'weights':
      return error instanceof WeightsError && error.isTransfer
        ? {
            text: 'The weights could not be fetched. Whatever has come of them is kept, and another try goes on from there, where the server lets it.',
            detail,
            action: 'again',
          }
        : { text: 'These weights cannot be used.', detail };
    case 'image':
      return {
        text: 'This is no picture that the page can read. JPEG, PNG, WebP, AVIF and GIF are; SVG is not, nor in most browsers HEIC.',
        detail,
      };
    case 'overflow':
      return { text: 'The numbers became too large.', detail };
    case 'load':
      return {
        text: 'A part of the page that was not needed before could not be fetched. Once the network is back, reload the page: its address keeps what you have set.',
        detail,
        action: 'reload',
      };
    case 'engine':
      return { text: 'The part of the page that computes did not start.', detail, action: 'reload' };
    default:
      return { text: during === 'model' ? 'The model could not be loaded.' : 'This cannot be explained so.', detail };
  }
}

/** Of memory that was short for an explanation, the engine tells how many copies of the picture it took at once. */
function wordsForLimit(error: GradcamError, detail: string): Message {
  const isMemory = error instanceof LimitError && error.limit === 'memory';
  if (!isMemory) return { text: 'This GPU cannot hold what is needed.', detail };
  const { batch } = error as Partial<MemoryError>;
  if (batch === undefined) return { text: 'The GPU has too little memory for this.', detail };
  if (batch === 1) {
    return { text: 'The GPU has too little memory for this, even with one copy of the picture at a time.', detail };
  }
  return {
    text: `The GPU has too little memory for ${batch} copies of the picture at once. Fewer take longer and give the same map.`,
    detail,
    action: { fewerAtOnce: Math.ceil(batch / 2) },
  };
}
