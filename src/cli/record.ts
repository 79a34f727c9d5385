/** What the files of a result say of how it was made. It is in the .json and in every .png, for `gradcam replay`. */
import { access, readFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, parse, relative, resolve, sep } from 'node:path';
import { GradcamError } from '../errors.ts';
import { parseNpy } from '../image/npy.ts';
import {
  type FusedOptions,
  PNG_KEYWORD,
  type Provenance,
  pngText,
  type ResolvedOptions,
  type SceneOptions,
} from '../index.ts';
import { rethrowReadably } from '../node/files.ts';
import { checksumOf } from '../weights/sha256.ts';

/** How to draw a scene again. */
export type SceneRecipe = { readonly seed: number } & SceneOptions;

export interface ReplayRecord {
  /** Where the picture was: a file, by its path from this record's folder, or a drawn scene. */
  readonly source?: { readonly file: string } | { readonly scene: SceneRecipe };
  /** The library's, but for the origin of weights from a file: its path from this record's folder. */
  readonly provenance: Provenance<ResolvedOptions | FusedOptions>;
  /** Of what --difference wrote: the class whose map is subtracted, explained in the same call, and what came out. */
  readonly difference?: { readonly classIndex: number; readonly map: Provenance['map'] };
}

/** A file is no record, a broken one, or one of something that is not there or not the same any more. */
export class RecordError extends GradcamError {
  constructor(message: string, options?: ErrorOptions) {
    super('record', message, options);
  }
}

/** @param folder where the record will be */
export function replayRecord(
  provenance: ReplayRecord['provenance'],
  picture: { readonly file: string } | { readonly scene: SceneRecipe },
  folder: string,
): ReplayRecord {
  const { weights } = provenance;
  const origin = isAddress(weights.origin) ? weights.origin : pathFrom(folder, weights.origin);
  return {
    source: 'file' in picture ? { file: pathFrom(folder, picture.file) } : picture,
    provenance: { ...provenance, weights: { ...weights, origin } },
  };
}

/** A URL, or the seed of random weights; a drive's letter is none. */
export function isAddress(origin: string): boolean {
  return /^[a-z][a-z0-9+.-]+:/i.test(origin);
}

/** With slashes; the name alone where only a path from the root leads there, which is good on one machine only. */
function pathFrom(folder: string, file: string): string {
  const from = resolve(folder);
  const path = relative(from, resolve(file));
  const above = relative(parse(from).root, from).split(sep);
  const isFromRoot = above.every((_, i) => path.split(sep)[i] === '..');
  return isAbsolute(path) || isFromRoot ? basename(file) : path.split(sep).join('/');
}

/**
 * The file that a record names, or one of its name beside the record.
 *
 * @param what says in messages what it is, `flag` how to name another
 * @throws RecordError if there is neither
 */
export async function locate(record: string, path: string, what: string, flag: string): Promise<string> {
  const folder = dirname(record);
  const places = [...new Set([resolve(folder, path), resolve(folder, basename(path))])];
  for (const place of places) {
    const isThere = await access(place).then(
      () => true,
      () => false,
    );
    if (isThere) return place;
  }
  throw new RecordError(`${record}: ${what} is not there: no file ${places.join(', nor ')}. Name it with ${flag}`);
}

/**
 * Reads the record in a .json or .png that `explain` wrote.
 *
 * @throws RecordError
 */
export async function readRecord(file: string): Promise<ReplayRecord> {
  const bytes = await readFile(file)
    .catch(rethrowReadably)
    .catch((cause) => {
      throw new RecordError(`${file}: ${cause.message}`, { cause });
    });
  const text = /\.png$/i.test(file) ? textOf(bytes, file) : bytes.toString('utf8');
  let record: unknown;
  try {
    record = JSON.parse(text, (_, value) => (value === null ? undefined : value));
  } catch (cause) {
    throw new RecordError(`${file}: no record of a result: expected a .json or .png that "gradcam explain" wrote`, {
      cause,
    });
  }
  if (!isRecord(record)) {
    if (COMPARISON.test(file)) throw comparisonError(file);
    throw new RecordError(
      `${file}: no record of a result: it lacks the provenance that "gradcam explain" writes into its .json and .png`,
    );
  }
  return record;
}

/** What "gradcam compare" calls its files. */
const COMPARISON = /\.compare\.(png|json)$/i;

function comparisonError(file: string): RecordError {
  return new RecordError(
    `${file}: maps by "gradcam compare", which writes no record that they could be made again from: "gradcam explain" does`,
  );
}

function textOf(png: Uint8Array, file: string): string {
  let text: string | undefined;
  try {
    text = pngText(png, PNG_KEYWORD);
  } catch (cause) {
    throw new RecordError(`${file}: ${(cause as Error).message}`, { cause });
  }
  if (text !== undefined) return text;
  if (COMPARISON.test(file)) throw comparisonError(file);
  throw new RecordError(
    `${file}: no record of a result in it: "gradcam explain" did not write it, or another program has written it anew. ` +
      'Then the .json that was written with it has the same record',
  );
}

/** What a record has at least, by the type of each part: whether the values make sense, those say who use them. */
const SHAPE = {
  library: 'string',
  model: 'string',
  variant: {},
  weights: { origin: 'string' },
  picture: { width: 'number', height: 'number', checksum: 'string' },
  options: {},
  classIndex: 'number',
  adapter: {},
  device: { limits: {} },
  kernels: {},
  map: { checksum: 'string' },
};

function isRecord(value: unknown): value is ReplayRecord {
  return hasShape(value, { provenance: SHAPE });
}

type Shape = { readonly [name: string]: string | Shape };

function hasShape(value: unknown, shape: Shape): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(shape).every(([name, part]) => {
    const found = (value as Record<string, unknown>)[name];
    return typeof part === 'string' ? typeof found === part : hasShape(found, part);
  });
}

/** The raw map that `explain` wrote beside the file. */
export interface RecordedMap {
  readonly file: string;
  readonly values: Float32Array;
}

/**
 * Reads the .npy beside a record, if it is there.
 *
 * @throws ImageError for a broken file, RecordError if it is not the map that the record tells of
 */
export async function readMapBeside(
  record: string,
  { provenance, difference }: ReplayRecord,
): Promise<RecordedMap | undefined> {
  const { map } = difference ?? provenance;
  // The overlays of several maps share one: STEM.map1.png belongs to STEM.npy.
  const file = record.replace(/(\.map\d+)?\.[^.]*$/, '.npy');
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (bytes === undefined) return undefined;
  const values = new Float32Array(Uint8Array.from(parseNpy(bytes, file).bytes).buffer);
  const checksum = await checksumOf(values);
  if (checksum === map.checksum) return { file, values };
  throw new RecordError(
    `${file}: not the map that ${record} tells of: its checksum is ${checksum}, recorded is ${map.checksum}. ` +
      'Restore it, or take it away to compare checksums only',
  );
}
