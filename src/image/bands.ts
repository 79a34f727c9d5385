/** A picture may be larger than a binding: it then goes through the GPU in bands of rows. */
import { LimitError } from '../errors.ts';

export interface Band {
  readonly firstRow: number;
  readonly rows: number;
}

/** The limits that matter here. */
export interface BandLimits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
}

/**
 * The bands of a picture, from the top, as few as the limits allow; all but the last have the first one's rows.
 *
 * @throws LimitError for a picture so wide that not even one row fits.
 */
export function pictureBands({ width, height }: { width: number; height: number }, limits: BandLimits): Band[] {
  const rowBytes = 4 * width;
  const available = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  const rowsPerBand = Math.min(height, Math.floor(available / rowBytes));
  if (rowsPerBand < 1) {
    const limit = available < limits.maxStorageBufferBindingSize ? 'maxBufferSize' : 'maxStorageBufferBindingSize';
    throw new LimitError(`a row of a picture ${width} pixels wide`, { limit, needed: rowBytes, available });
  }
  return Array.from({ length: Math.ceil(height / rowsPerBand) }, (_, i) => ({
    firstRow: i * rowsPerBand,
    rows: Math.min(rowsPerBand, height - i * rowsPerBand),
  }));
}
