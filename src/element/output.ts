/** A result as pictures to show and to keep. */
import { addPngText, drawBoxes, type OneExplanation, type OverlayOptions, PNG_KEYWORD } from '../index.ts';
import type { PngOptions } from './protocol.ts';

export async function drawOverlayBitmap(explanation: OneExplanation, options?: OverlayOptions): Promise<ImageBitmap> {
  const { data, width, height } = await explanation.overlay(options);
  return createImageBitmap(new ImageData(data, width, height));
}

/** The overlay as a PNG file with the record that `gradcam replay` reads. */
export async function encodePng(explanation: OneExplanation, { boxes, source, ...options }: PngOptions): Promise<Blob> {
  const overlay = await explanation.overlay(options);
  const found = boxes ? explanation.boxes({ map: options.map, ...boxes }) : [];
  const { data, width, height } = drawBoxes(overlay, found);
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext('2d')!.putImageData(new ImageData(data, width, height), 0, 0);
  const png = await canvas.convertToBlob({ type: 'image/png' });
  const record = JSON.stringify({ source, provenance: explanation.provenance });
  const bytes = addPngText(new Uint8Array(await png.arrayBuffer()), PNG_KEYWORD, record);
  return new Blob([bytes], { type: 'image/png' });
}
