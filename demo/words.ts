/** Failures in words that say what to do, with a button where the page can do it. */
import { GradcamError, LimitError, WeightsError } from 'gradcam-webgpu';

export interface Message {
  readonly text: string;
  /** What the library said, for those who want to know. */
  readonly detail?: string;
  readonly action?: 'fewer-at-once' | 'again' | 'reload';
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
      return isMemory(error)
        ? { text: 'The GPU has too little memory for this many copies at once.', detail, action: 'fewer-at-once' }
        : { text: 'This GPU cannot hold what is needed.', detail };
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
        text: 'This is no picture that the page can read. JPEG, PNG, WebP, AVIF and GIF are; SVG is not.',
        detail,
      };
    case 'overflow':
      return { text: 'The numbers became too large.', detail };
    case 'engine':
      return { text: 'The part of the page that computes did not start.', detail, action: 'reload' };
    default:
      return { text: during === 'model' ? 'The model could not be loaded.' : 'This cannot be explained so.', detail };
  }
}

/** What fewer samples a dispatch can help with. */
function isMemory(error: GradcamError): boolean {
  return error instanceof LimitError && error.limit === 'memory';
}
