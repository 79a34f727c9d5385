/** Pictures of a folder with what is known of their objects: trimaps as in the Oxford-IIIT pet set, or COCO's polygons. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import sharp from 'sharp';
import { ImageError, OptionError } from '../errors.ts';
import type { GroundTruth, Region } from '../evaluate/ground-truth.ts';
import { stemOf } from './output.ts';

export interface LabelledPicture {
  readonly file: string;
  /** Changes when the picture's file or that of its ground truth does. */
  readonly fingerprint: string;
  /** @throws ImageError naming the file, if the ground truth is broken or of another size than the picture. */
  groundTruth(picture: { readonly width: number; readonly height: number }): Promise<GroundTruth>;
}

export interface LabelledPictures {
  /** In the order of their names. */
  readonly pictures: readonly LabelledPicture[];
  /** Pictures of the folder that nothing is known of. */
  readonly unlabelled: readonly string[];
}

const PICTURE_ENDINGS = ['.png', '.jpg', '.jpeg', '.webp', '.gif', '.tif', '.tiff', '.avif', '.npy'];
const TRIMAP_ENDING = '.trimap.png';
const ANNOTATIONS = 'annotations.json';

/**
 * Finds the pictures of a folder and their ground truth.
 *
 * @param masks a COCO file, a folder with an annotations.json of that kind, or a folder of trimaps named STEM.trimap.png
 * or STEM.png for the picture STEM.jpg; it may be the pictures' own folder.
 * @param category name of the COCO category whose objects count; undefined: in each picture the one that covers most.
 * @throws OptionError if a folder cannot be read, holds no picture, or there is no ground truth for any of them.
 */
export async function findLabelledPictures(
  images: string,
  masks: string,
  category: string | undefined,
): Promise<LabelledPictures> {
  const names = (await filesOf('--images', images)).filter(isPicture);
  if (names.length === 0) {
    throw new OptionError('--images', images, `a folder with pictures (${PICTURE_ENDINGS.join(' ')})`);
  }
  const annotations = await annotationsOf(masks);
  const find = annotations ? await cocoFinder(annotations, category) : await trimapFinder(masks, images);
  if (!annotations && category !== undefined) {
    throw new OptionError('--category', category, `to be given with COCO annotations only; ${masks} holds trimaps`);
  }
  const pictures: LabelledPicture[] = [];
  const unlabelled: string[] = [];
  for (const name of names) {
    const file = join(images, name);
    const truth = find(name);
    if (!truth) {
      unlabelled.push(file);
      continue;
    }
    const fingerprint = `${await fileState(file)} ${await fileState(truth.file)}`;
    pictures.push({ file, fingerprint, groundTruth: truth.load });
  }
  if (pictures.length === 0) {
    const wanted = annotations
      ? `annotations of the pictures in ${images}${category === undefined ? '' : ` with objects of ${category}`}`
      : `a folder with an ${ANNOTATIONS} (COCO), or with STEM${TRIMAP_ENDING} or STEM.png for each picture of ${images}`;
    throw new OptionError('--masks', masks, wanted);
  }
  return { pictures, unlabelled };
}

/** Where the ground truth of a picture is, and how it is read; undefined where there is none. */
type Finder = (name: string) => { file: string; load: LabelledPicture['groundTruth'] } | undefined;

function isPicture(name: string): boolean {
  return (
    PICTURE_ENDINGS.includes(extname(name).toLowerCase()) && !name.endsWith(TRIMAP_ENDING) && !name.startsWith('.')
  );
}

async function filesOf(option: string, folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.flatMap((entry) => (entry.isDirectory() ? [] : [entry.name])).sort();
  } catch (error) {
    throw new OptionError(option, folder, `a folder that can be read (${(error as Error).message})`);
  }
}

async function fileState(file: string): Promise<string> {
  const { size, mtimeMs } = await stat(file);
  return `${size}@${mtimeMs}`;
}

// --- Trimaps ---

/** Values of a trimap (Parkhi et al. 2012, Cats and dogs). */
const TRIMAP = { object: 1, background: 2, border: 3 };

async function trimapFinder(masks: string, images: string): Promise<Finder> {
  const names = new Set(await filesOf('--masks', masks));
  const inPicturesFolder = (await realpath(masks)) === (await realpath(images));
  return (picture) => {
    const stem = stemOf(picture);
    // Next to the picture itself, STEM.png is the picture.
    const candidates = [`${stem}${TRIMAP_ENDING}`, ...(inPicturesFolder ? [] : [`${stem}.png`])];
    const name = candidates.find((candidate) => names.has(candidate));
    if (name === undefined) return undefined;
    const file = join(masks, name);
    return { file, load: (size) => readTrimap(file, size) };
  };
}

async function readTrimap(file: string, { width, height }: { width: number; height: number }): Promise<GroundTruth> {
  const trimap = sharp(await readFile(file));
  const decoded = (async () => {
    const { channels } = await trimap.metadata();
    if (channels !== 1) throw new Error(`a trimap is a greyscale picture; this has ${channels} channels`);
    // sharp would make three channels of one, but for this.
    return trimap.toColourspace('b-w').raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  })();
  const { data, info } = await decoded.catch((cause: Error) => {
    throw new ImageError(`${file}: ${cause.message.split('\n')[0]}`, { cause });
  });
  checkSize(file, info, { width, height });
  const object = new Uint8Array(width * height);
  const border = new Uint8Array(width * height);
  for (const [at, value] of data.entries()) {
    if (value === TRIMAP.object) object[at] = 1;
    else if (value === TRIMAP.border) border[at] = 1;
    else if (value !== TRIMAP.background) {
      const place = `column ${at % width}, row ${Math.floor(at / width)}`;
      throw new ImageError(`${file}: ${value} at ${place}; a trimap has 1 (object), 2 (background) and 3 (border)`);
    }
  }
  const whole = { left: 0, top: 0, width, height };
  return { width, height, instances: [{ ...whole, mask: object }], ignored: [{ ...whole, mask: border }] };
}

function checkSize(
  file: string,
  found: { width: number; height: number },
  picture: { width: number; height: number },
): void {
  if (found.width === picture.width && found.height === picture.height) return;
  const size = (of: { width: number; height: number }) => `${of.width} × ${of.height}`;
  throw new ImageError(`${file}: of ${size(found)} pixels, the picture of ${size(picture)}; they must agree`);
}

// --- COCO ---

/** What is used of COCO's object annotations (Lin et al. 2014; cocodataset.org/#format-data). */
interface CocoFile {
  readonly images: readonly { id: number; file_name: string; width: number; height: number }[];
  readonly categories: readonly { id: number; name: string }[];
  readonly annotations: readonly CocoAnnotation[];
}

interface CocoAnnotation {
  readonly id?: number;
  readonly image_id: number;
  readonly category_id: number;
  /** 1: a crowd whose members nobody has drawn; COCO's own measures ignore such regions. */
  readonly iscrowd?: number;
  /** Polygons [x, y, x, y, …], or runs of pixels. */
  readonly segmentation: readonly (readonly number[])[] | RunLengths;
}

/** Lengths of runs, of zeros and ones by turns, in the order of columns. */
interface RunLengths {
  readonly counts: readonly number[] | string;
  /** [height, width] */
  readonly size: readonly [number, number];
}

async function annotationsOf(masks: string): Promise<string | undefined> {
  const found = await stat(masks).catch((error: Error) => {
    throw new OptionError('--masks', masks, `a folder or a COCO .json file (${error.message})`);
  });
  if (!found.isDirectory()) return masks;
  const file = join(masks, ANNOTATIONS);
  return (await stat(file).catch(() => undefined)) ? file : undefined;
}

async function cocoFinder(file: string, category: string | undefined): Promise<Finder> {
  const coco = await readCoco(file);
  const categoryId = coco.categories.find(({ name }) => name === category)?.id;
  if (category !== undefined && categoryId === undefined) {
    throw new OptionError('--category', category, coco.categories.map(({ name }) => name).join(', '));
  }
  const images = new Map(coco.images.map((image) => [image.file_name, image]));
  const byImage = new Map<number, CocoAnnotation[]>();
  for (const annotation of coco.annotations) {
    const list = byImage.get(annotation.image_id);
    if (list) list.push(annotation);
    else byImage.set(annotation.image_id, [annotation]);
  }
  return (name) => {
    const image = images.get(name);
    if (!image) return undefined;
    const annotations = byImage.get(image.id) ?? [];
    const id = categoryId ?? mainCategory(annotations);
    const wanted = annotations.filter((annotation) => annotation.category_id === id);
    if (!wanted.some((annotation) => !annotation.iscrowd)) return undefined;
    const load = async (picture: { width: number; height: number }): Promise<GroundTruth> => {
      checkSize(`${file}, ${name}`, image, picture);
      const regions = (crowd: boolean) =>
        wanted
          .filter((annotation) => Boolean(annotation.iscrowd) === crowd)
          .map((annotation) => regionOf(annotation, picture, file));
      return { ...picture, instances: regions(false), ignored: regions(true) };
    };
    return { file, load };
  };
}

async function readCoco(file: string): Promise<CocoFile> {
  let coco: Partial<CocoFile> | null;
  try {
    coco = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new ImageError(`${file}: not a COCO file (${(cause as Error).message})`, { cause });
  }
  for (const key of ['images', 'categories', 'annotations'] as const) {
    if (!Array.isArray(coco?.[key])) throw new ImageError(`${file}: not a COCO file: it has no list of ${key}`);
  }
  return coco as CocoFile;
}

/** The category whose single objects cover most, counted by their polygons. */
function mainCategory(annotations: readonly CocoAnnotation[]): number | undefined {
  const areas = new Map<number, number>();
  for (const { category_id, iscrowd, segmentation } of annotations) {
    if (iscrowd || !Array.isArray(segmentation)) continue;
    const area = segmentation.reduce((sum, polygon) => sum + polygonArea(polygon), 0);
    areas.set(category_id, (areas.get(category_id) ?? 0) + area);
  }
  const [main] = [...areas].sort(([, a], [, b]) => b - a);
  return main?.[0];
}

/** The shoelace formula. */
function polygonArea(points: readonly number[]): number {
  let twice = 0;
  for (let i = 0; i < points.length; i += 2) {
    const next = (i + 2) % points.length;
    twice += points[i]! * points[next + 1]! - points[next]! * points[i + 1]!;
  }
  return Math.abs(twice) / 2;
}

function regionOf(annotation: CocoAnnotation, picture: { width: number; height: number }, file: string): Region {
  const { segmentation, id } = annotation;
  const name = `${file}: annotation ${id ?? `of image ${annotation.image_id}`}`;
  if (!Array.isArray(segmentation)) return runLengthRegion(segmentation as RunLengths, picture, name);
  for (const points of segmentation) {
    if (points.length >= 6 && points.length % 2 === 0 && points.every(Number.isFinite)) continue;
    throw new ImageError(`${name}: a polygon is x, y of at least 3 points; this has ${points.length} numbers`);
  }
  return polygonRegion(segmentation, picture);
}

/** Pixels whose centre lies in one of the polygons, by the even-odd rule. */
export function polygonRegion(
  polygons: readonly (readonly number[])[],
  picture: { readonly width: number; readonly height: number },
): Region {
  const along = (axis: 0 | 1) => polygons.flatMap((points) => points.filter((_, i) => i % 2 === axis));
  const box = (values: number[], size: number) => {
    const start = values.reduce((a, b) => Math.min(a, b), size);
    const end = values.reduce((a, b) => Math.max(a, b), 0);
    const first = Math.max(0, Math.floor(start));
    return { first, count: Math.max(0, Math.min(size, Math.ceil(end)) - first) };
  };
  const { first: left, count: width } = box(along(0), picture.width);
  const { first: top, count: height } = box(along(1), picture.height);
  const mask = new Uint8Array(width * height);
  for (const points of polygons) {
    for (let row = 0; row < height; row++) {
      const crossings = crossingsAt(points, top + row + 0.5);
      for (let i = 0; i + 1 < crossings.length; i += 2) {
        // The first and the last pixel whose centre, at column + 0.5, lies between the two edges.
        const from = Math.max(0, Math.ceil(crossings[i]! - 0.5) - left);
        const to = Math.min(width, Math.ceil(crossings[i + 1]! - 0.5) - left);
        if (to > from) mask.fill(1, row * width + from, row * width + to);
      }
    }
  }
  return { left, top, width, height, mask };
}

/** Where the polygon's edges cross a horizontal line, from left to right. */
function crossingsAt(points: readonly number[], y: number): number[] {
  const crossings: number[] = [];
  for (let i = 0; i < points.length; i += 2) {
    const next = (i + 2) % points.length;
    const [x0, y0, x1, y1] = [points[i]!, points[i + 1]!, points[next]!, points[next + 1]!];
    if (y0 <= y !== y1 <= y) crossings.push(x0 + ((y - y0) / (y1 - y0)) * (x1 - x0));
  }
  return crossings.sort((a, b) => a - b);
}

function runLengthRegion(
  { counts, size }: RunLengths,
  { width, height }: { width: number; height: number },
  name: string,
): Region {
  if (!Array.isArray(counts)) {
    throw new ImageError(`${name}: compressed run lengths are not read; give polygons or a list of counts`);
  }
  checkSize(name, { height: size[0], width: size[1] }, { width, height });
  const mask = new Uint8Array(width * height);
  let at = 0;
  for (const [index, count] of counts.entries()) {
    for (const end = at + count; at < end; at++) {
      if (index % 2 === 1) mask[(at % height) * width + Math.floor(at / height)] = 1;
    }
  }
  return { left: 0, top: 0, width, height, mask };
}
