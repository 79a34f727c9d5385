/** How the rows of an explanation, its noisy copies and the clean picture, are split into batches. */
import { OptionError } from '../errors.ts';

/**
 * A batch: `noisy` samples, copies or points of a path, beginning with number `firstSample`, then the clean picture if
 * `clean` is 1; or nothing but `masked` copies.
 */
export interface Batch {
  readonly firstSample: number;
  readonly noisy: number;
  readonly clean: 0 | 1;
  /** Rows, from the first, whose gradient is wanted. */
  readonly gradients: number;
  readonly masked?: { readonly first: number; readonly count: number };
}

export function batchRows({ noisy, clean, masked }: Batch): number {
  return noisy + clean + (masked?.count ?? 0);
}

/**
 * Splits the n noisy samples and the clean picture into as few batches as `maxRows` allows, their sizes equal or one apart. The
 * clean picture closes the first batch, so that the class it chooses is known before the first backward pass.
 *
 * @param scoredOnly samples at the end whose gradient is not wanted
 */
export function splitSamples(samples: number, maxRows: number, scoredOnly = 0): Batch[] {
  if (maxRows < 1) throw new OptionError('batch', maxRows, 'at least 1');
  const total = samples + 1;
  const parts = Math.ceil(total / maxRows);
  const batches: Batch[] = [];
  let firstSample = 0;
  for (let part = 0; part < parts; part++) {
    const rows = Math.floor(total / parts) + (part < total % parts ? 1 : 0);
    const clean = part === 0 ? 1 : 0;
    const noisy = rows - clean;
    const differentiated = Math.min(noisy, Math.max(0, samples - scoredOnly - firstSample));
    batches.push({ firstSample, noisy, clean, gradients: samples === 0 ? 1 : differentiated });
    firstSample += noisy;
  }
  return batches;
}

/** The clean picture on its own, whose feature maps the copies need, then the copies, in as few equal batches as can be. */
export function splitMasked(copies: number, maxRows: number): Batch[] {
  const clean: Batch = { firstSample: 0, noisy: 0, clean: 1, gradients: 0 };
  const parts = Math.ceil(copies / maxRows);
  const firstOf = (part: number) => Math.floor((part * copies) / parts);
  const masked = Array.from({ length: parts }, (_, part) => ({
    ...clean,
    clean: 0 as const,
    masked: { first: firstOf(part), count: firstOf(part + 1) - firstOf(part) },
  }));
  return [clean, ...masked];
}
