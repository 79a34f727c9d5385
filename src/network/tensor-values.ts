/** What the numbers of a weights file may be. */
import { decode } from '../weights/decode.ts';
import { Fault } from '../weights/fault.ts';
import { FLOAT16_OVERFLOW } from '../weights/float16.ts';
import type { TensorInfo, WeightsPiece } from '../weights/source.ts';

/**
 * One NaN in a weight spreads to every score, or is swallowed by a ReLU and shows nowhere.
 *
 * @throws Fault
 */
export function checkFinite(piece: WeightsPiece): void {
  const { tensor, offset } = piece;
  // 8-bit elements need not be decoded for it: all lie between the least and the greatest.
  if (tensor.encoding.dtype === 'uint8' && decode(tensor.encoding, Uint8Array.of(0, 255)).every(Number.isFinite))
    return;
  const { values } = piece;
  let zero = 0;
  for (let i = 0; i < values.length; i++) zero += 0 * values[i];
  if (zero === 0) return;
  const place = values.findIndex((value) => !Number.isFinite(value));
  throw new Fault('notFinite', { file: tensor.file, tensor: tensor.name }, values[place], offset + place);
}

/**
 * @param offset of the first value in the tensor; undefined where the values are made of it by batch normalisation
 * @returns the greatest magnitude
 * @throws Fault for a value beyond float16's range, as an infinity would take the place of it
 */
export function checkFloat16(values: Float32Array, { file, name }: TensorInfo, offset?: number): number {
  let greatest = 0;
  for (let i = 0; i < values.length; i++) greatest = Math.max(greatest, Math.abs(values[i]));
  if (greatest < FLOAT16_OVERFLOW) return greatest;
  const place = values.findIndex((value) => Math.abs(value) >= FLOAT16_OVERFLOW);
  throw new Fault(
    'beyondFloat16',
    { file, tensor: name },
    values[place],
    offset === undefined ? offset : offset + place,
  );
}
