/** What <gradcam-view> says, to those who see it and to those who do not. */
import { methodName, methodOf } from '../custom-method.ts';
import {
  DeviceLostError,
  GpuUnavailableError,
  ImageError,
  LimitError,
  LoadError,
  OptionError,
  ShaderError,
  WeightsError,
} from '../errors.ts';
import type { HeatMaps, Prediction, View } from '../index.ts';
import { EngineError } from './errors.ts';
import type { ExplanationRecord, MemoryError } from './protocol.ts';

/** An error in words for whoever looks at the page, and what can be done about it there. */
export interface Complaint {
  readonly text: string;
  /** What the button says, where another try can help. */
  readonly retry?: string;
  /** Samples a dispatch to try it with. */
  readonly batch?: number;
  /** Another worker is needed to try it: Chromium remembers for as long as one lives that a module did not come. */
  readonly needsOtherWorker?: boolean;
}

export function complaintOf(error: unknown): Complaint {
  const detail = error instanceof Error ? error.message : String(error);
  if (error instanceof GpuUnavailableError) {
    const reason = globalThis.isSecureContext
      ? 'Current versions of Chrome, Edge, Safari and Firefox have it, on machines whose graphics driver they accept.'
      : 'It needs a page that is served securely, by https or from localhost.';
    return { text: `WebGPU is missing here, and with it the explanation. ${reason}` };
  }
  if (error instanceof LimitError && error.limit === 'memory') {
    const { batch = 1 } = error as Partial<MemoryError>;
    // One at a time is the least; or it was the model that did not fit.
    if (batch === 1) return { text: `The graphics memory is too small for this model. (${detail})` };
    const fewer = Math.ceil(batch / 2);
    return {
      text: `The graphics memory is too small for ${batch} samples at a time. Fewer take longer and give the same map: batch="${fewer}".`,
      retry: `Try ${fewer} at a time`,
      batch: fewer,
    };
  }
  if (error instanceof DeviceLostError) {
    return { text: `The graphics device was lost and did not come back. (${detail})`, retry: 'Try again' };
  }
  if (error instanceof WeightsError)
    return { text: `The model's weights cannot be read: ${detail}`, retry: 'Try again' };
  if (error instanceof ImageError) return { text: `The picture cannot be read: ${detail}` };
  if (error instanceof OptionError) return { text: `A setting is wrong. ${detail}` };
  if (error instanceof ShaderError) return { text: `The graphics driver refused a kernel. ${detail}` };
  if (error instanceof LoadError) {
    const text =
      'A part of this page that was not needed before could not be fetched. Is the connection there? If another try does not ' +
      'help, reload the page.';
    return { text, retry: 'Try again', needsOtherWorker: true };
  }
  if (error instanceof EngineError) return { text: `The explanation cannot begin: ${detail}`, retry: 'Try again' };
  return { text: `The explanation failed: ${detail}`, retry: 'Try again' };
}

export const DEVICE_LOST = 'The graphics device was lost. A new one is being set up…';

const OUTCOMES: Readonly<Record<ExplanationRecord['outcome'], string>> = {
  ok: '',
  empty: 'The map is zero everywhere.',
  'negative-only': 'Everything in it speaks against the class: the map is empty.',
  degenerate: 'The method has no weights here: the map is empty.',
};

/**
 * 'Why “tree” (96 %): Smooth Grad-CAM++ at block5_conv3, 8 samples'.
 *
 * @param labels of the model: the class may be none of the first few predictions
 */
export function captionOf(
  { options, classIndex, predictions, outcome }: ExplanationRecord,
  labels: readonly string[] | undefined,
): string {
  const { title } = methodOf(options.method);
  const samples = options.nSamples > 0 ? `, ${options.nSamples} ${options.nSamples === 1 ? 'sample' : 'samples'}` : '';
  const place = options.layerName === undefined ? '' : ` at ${options.layerName}`;
  const named = (index: number) => nameOfClass(index, predictions, labels);
  const rather = options.contrast === undefined ? '' : ` rather than ${named(options.contrast)}`;
  const why = `Why ${named(classIndex)}${rather}: ${title || methodName(options.method)}${place}${samples}`;
  return [why, OUTCOMES[outcome]].filter(Boolean).join('. ');
}

function nameOfClass(
  classIndex: number,
  predictions: readonly Prediction[],
  labels: readonly string[] | undefined,
): string {
  const found = predictions.find((prediction) => prediction.classIndex === classIndex);
  const label = found?.label ?? labels?.[classIndex];
  const name = label === undefined ? `class ${classIndex}` : `“${label}”`;
  return found ? `${name} (${percent(found.probability)})` : name;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.095 ? 1 : 0)} %`;
}

/** What is to be seen, for those who cannot: where in the picture the map is highest. */
export function describeMap(alt: string | undefined, caption: string | undefined, place: string | undefined): string {
  const parts = [alt || 'A picture', caption === undefined ? 'No heat map yet' : `Heat map: ${caption}`];
  if (place !== undefined) parts.push(`Strongest ${place}`);
  return `${parts.join('. ')}.`;
}

/** 'in the top left', by thirds of the picture; undefined for a map of zeros. */
export function placeOfMost(
  { data, shape: [, height, width] }: HeatMaps,
  index: number,
  view: View,
  picture: { readonly width: number; readonly height: number },
): string | undefined {
  const cells = data.subarray(index * height * width, (index + 1) * height * width);
  const most = cells.reduce((best, value, at) => (value > cells[best] ? at : best), 0);
  if (!(cells[most] > 0)) return undefined;
  const x = (view.left + ((most % width) + 0.5) * (view.width / width)) / picture.width;
  const y = (view.top + (Math.floor(most / width) + 0.5) * (view.height / height)) / picture.height;
  const third = (share: number, names: readonly string[]) => names[Math.min(2, Math.max(0, Math.floor(3 * share)))];
  const row = third(y, ['top', '', 'bottom']);
  const column = third(x, ['left', '', 'right']);
  return `in the ${[row, column].filter(Boolean).join(' ') || 'middle'}`;
}
