/** Options of a call, checked; the checks are loaded where they are not plainly right. */

import { COMPARED_METHODS } from './methods.ts';
import { onDemand } from './on-demand.ts';
import {
  type AnyExplainOptions,
  DEFAULT_OPTIONS,
  type ExplainOptions,
  FITS,
  MAX_SAMPLES,
  type ResolvedOptions,
} from './options.ts';
import type { OptionContext, ResolvedCall } from './resolve-options.ts';

/**
 * As resolveCall().
 *
 * @throws OptionError, LoadError, AbortError
 */
export async function checkedCall(options: AnyExplainOptions, model: OptionContext): Promise<ResolvedCall> {
  return plainCall(options, model) ?? (await optionChecks(options?.signal)).resolveCall(options, model);
}

/**
 * Every check there is.
 *
 * @param signal of the options, unchecked as they are
 * @throws LoadError, AbortError
 */
export function optionChecks(signal: AbortSignal | undefined) {
  return onDemand('what checks options', () => import('./resolve-options.ts'), signal);
}

type Check = (value: never, model: OptionContext) => boolean;

/** The options that most calls are made of, and which values of theirs are right whatever the others are. */
const PLAIN: { readonly [Name in keyof ExplainOptions]: Check } = {
  method: (name: string) => (COMPARED_METHODS as readonly string[]).includes(name),
  layerName: (name: unknown) => typeof name === 'string',
  nSamples: (n: number) => isWhole(n, 0, MAX_SAMPLES),
  stdDev: (stdDev: number) => Number.isFinite(stdDev) && stdDev >= 0,
  seed: (seed: number) => isWhole(seed, 0, Number.MAX_SAFE_INTEGER),
  classIndex: (index: number, { classCount }) => isWhole(index, 0, classCount - 1),
  fit: (fit: string) => (FITS as readonly string[]).includes(fit),
  batch: (rows: number) => isWhole(rows, 1, MAX_SAMPLES),
  topK: (count: number) => isWhole(count, 1, Number.MAX_SAFE_INTEGER),
  signal: (signal: AbortSignal | null) => typeof signal?.aborted === 'boolean',
  onProgress: (call: unknown) => typeof call === 'function',
};

/** What resolveCall() would give for options that are all PLAIN; undefined for others, right or wrong. */
export function plainCall(options: AnyExplainOptions, model: OptionContext): ResolvedCall | undefined {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) return undefined;
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const isPlain = ([name, value]: [string, unknown]) =>
    Object.hasOwn(PLAIN, name) && (PLAIN[name as keyof ExplainOptions] as Check)(value as never, model);
  if (!given.every(isPlain)) return undefined;
  const { signal, onProgress, ...asked }: ExplainOptions = Object.fromEntries(given);
  const resolved: ResolvedOptions = {
    ...DEFAULT_OPTIONS,
    preset: undefined,
    filters: undefined,
    subset: undefined,
    classIndex: undefined,
    contrast: undefined,
    batch: undefined,
    ...(asked as Partial<ResolvedOptions>),
    layerName: model.resolveLayer(asked.layerName).name,
  };
  return { asked: [[resolved]], fusion: undefined, isList: false };
}

function isWhole(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}
