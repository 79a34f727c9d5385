import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ImageError, OptionError } from '../../src/errors.ts';
import { labelPixels, type Region } from '../../src/evaluate/ground-truth.ts';
import { findLabelledPictures, polygonRegion } from '../../src/node/ground-truth.ts';
import { readPicture } from '../../src/node/image.ts';

const root = mkdtempSync(join(tmpdir(), 'gradcam-truth-'));
afterAll(() => rmSync(root, { recursive: true }));

const SIZE = { width: 4, height: 3 };

async function grey(file: string, values: readonly number[], { width, height } = SIZE): Promise<void> {
  await sharp(Uint8Array.from(values), { raw: { width, height, channels: 1 } })
    .toColourspace('b-w')
    .png()
    .toFile(file);
}

async function picture(file: string): Promise<void> {
  await sharp({ create: { ...SIZE, channels: 3, background: '#123456' } }).toFile(file);
}

/** A region as rows of # and . over the whole picture. */
function rows(region: Region, { width, height } = SIZE): string[] {
  const { kinds } = labelPixels({ width, height, instances: [region] });
  return Array.from({ length: height }, (_, row) =>
    Array.from(kinds.subarray(row * width, (row + 1) * width), (kind) => (kind ? '#' : '.')).join(''),
  );
}

describe('trimaps', () => {
  const images = join(root, 'images');
  const masks = join(root, 'masks');
  beforeAll(async () => {
    mkdirSync(images);
    mkdirSync(masks);
    for (const name of ['b.jpg', 'a.png', 'c.webp']) await picture(join(images, name));
    writeFileSync(join(images, 'notes.txt'), '');
    await grey(join(masks, 'a.png'), [1, 1, 3, 2, 1, 3, 3, 2, 2, 2, 2, 2]);
    await grey(join(masks, 'b.trimap.png'), Array(12).fill(2));
    await grey(join(masks, 'b.png'), Array(12).fill(1));
  });

  it('are found by name, .trimap.png first, and tell object, background and border', async () => {
    const { pictures, unlabelled } = await findLabelledPictures(images, masks, undefined);
    expect(pictures.map(({ file }) => file)).toEqual([join(images, 'a.png'), join(images, 'b.jpg')]);
    expect(unlabelled).toEqual([join(images, 'c.webp')]);
    const truth = await pictures[0]!.groundTruth(SIZE);
    expect(rows(truth.instances[0]!)).toEqual(['##..', '#...', '....']);
    expect(rows(truth.ignored![0]!)).toEqual(['..#.', '.##.', '....']);
    expect(labelPixels(await pictures[1]!.groundTruth(SIZE)).objectPixels).toBe(0);
  });

  it('may lie next to the pictures, which are no trimaps of themselves', async () => {
    copyFileSync(join(masks, 'a.png'), join(images, 'b.trimap.png'));
    const { pictures, unlabelled } = await findLabelledPictures(images, join(root, 'masks', '..', 'images'), undefined);
    rmSync(join(images, 'b.trimap.png'));
    expect(pictures.map(({ file }) => file)).toEqual([join(images, 'b.jpg')]);
    expect(unlabelled).toEqual([join(images, 'a.png'), join(images, 'c.webp')]);
  });

  it('have a fingerprint that changes with the picture and with the trimap', async () => {
    const fingerprint = async () => (await findLabelledPictures(images, masks, undefined)).pictures[0]!.fingerprint;
    const before = await fingerprint();
    expect(await fingerprint()).toBe(before);
    utimesSync(join(masks, 'a.png'), 1, 1);
    const after = await fingerprint();
    utimesSync(join(images, 'a.png'), 1, 1);
    expect(new Set([before, after, await fingerprint()]).size).toBe(3);
  });

  it.each([
    ['of another size', () => grey(join(masks, 'a.png'), [1, 1], { width: 2, height: 1 }), /2 × 1.*4 × 3/],
    [
      'with other values',
      () => grey(join(masks, 'a.png'), [...Array(6).fill(2), 0, 2, 2, 2, 2, 2]),
      /0 at column 2, row 1/,
    ],
    ['in colour', () => picture(join(masks, 'a.png')), /greyscale.*3 channels/],
    ['that are no pictures', async () => writeFileSync(join(masks, 'a.png'), 'text'), /unsupported image format/],
  ])('%s are refused', async (_, write, message) => {
    await write();
    const { pictures } = await findLabelledPictures(images, masks, undefined);
    const error = await pictures[0]!.groundTruth(SIZE).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(ImageError);
    expect(error.message).toMatch(message);
    expect(error.message).toContain(join(masks, 'a.png'));
  });
});

describe('COCO annotations', () => {
  const images = join(root, 'coco');
  const square = (left: number, top: number, side: number) => [
    [left, top, left + side, top, left + side, top + side, left, top + side],
  ];
  const annotation = (image_id: number, category_id: number, segmentation: unknown, rest = {}) => ({
    id: 7,
    image_id,
    category_id,
    iscrowd: 0,
    segmentation,
    ...rest,
  });
  const coco = {
    images: ['x.png', 'y.png', 'z.png'].map((file_name, id) => ({ id, file_name, ...SIZE })),
    categories: [
      { id: 5, name: 'bus' },
      { id: 9, name: 'cat' },
    ],
    annotations: [
      annotation(0, 9, square(0, 0, 2)),
      annotation(0, 9, square(3, 0, 1)),
      annotation(0, 5, square(2, 1, 2)),
      // Columns first: (0, 2) and (0, 3) of the crowd.
      annotation(0, 9, { counts: [6, 1, 2, 1, 2], size: [3, 4] }, { iscrowd: 1 }),
      annotation(1, 5, square(0, 0, 3)),
      annotation(2, 5, { counts: [0, 12], size: [3, 4] }, { iscrowd: 1 }),
    ],
  };
  const write = (content: unknown) => writeFileSync(join(images, 'annotations.json'), JSON.stringify(content));
  beforeAll(async () => {
    mkdirSync(images);
    for (const name of ['x.png', 'y.png', 'z.png']) await picture(join(images, name));
  });

  it('give the objects of the category that covers most, and its crowds as ignored', async () => {
    write(coco);
    const { pictures, unlabelled } = await findLabelledPictures(images, images, undefined);
    expect(pictures.map(({ file }) => file)).toEqual([join(images, 'x.png'), join(images, 'y.png')]);
    expect(unlabelled).toEqual([join(images, 'z.png')]);
    const truth = await pictures[0]!.groundTruth(SIZE);
    expect(truth.instances.map((instance) => rows(instance))).toEqual([
      ['##..', '##..', '....'],
      ['...#', '....', '....'],
    ]);
    expect(truth.ignored!.map((region) => rows(region))).toEqual([['..##', '....', '....']]);
  });

  it('give the objects of a category by name', async () => {
    write(coco);
    const { pictures } = await findLabelledPictures(images, join(images, 'annotations.json'), 'bus');
    const truth = await pictures[0]!.groundTruth(SIZE);
    expect(truth.instances.map((instance) => rows(instance))).toEqual([['....', '..##', '..##']]);
    expect((await findLabelledPictures(images, images, 'cat')).pictures).toHaveLength(1);
  });

  it.each([
    ['an unknown category', coco, 'dog', /--category: got "dog"; allowed: bus, cat/],
    ['no object of the category', { ...coco, annotations: [] }, 'cat', /--masks.*with objects of cat/],
    ['a file of something else', { images: [] }, undefined, /no list of categories/],
  ])('are refused with %s', async (_, content, category, message) => {
    write(content);
    await expect(findLabelledPictures(images, images, category)).rejects.toThrow(message);
  });

  it.each([
    ['another size', { ...coco, images: [{ id: 0, file_name: 'x.png', width: 9, height: 9 }] }, /9 × 9.*4 × 3/],
    [
      'a polygon of two points',
      { ...coco, annotations: [annotation(0, 9, [[0, 0, 1, 1]])] },
      /annotation 7.*4 numbers/,
    ],
    [
      'compressed runs',
      { ...coco, annotations: [annotation(0, 9, square(0, 0, 1)), annotation(0, 9, { counts: 'abc', size: [3, 4] })] },
      /annotation 7: compressed run lengths/,
    ],
  ])('of a picture are refused with %s', async (_, content, message) => {
    write(content);
    const { pictures } = await findLabelledPictures(images, images, 'cat');
    await expect(pictures[0]!.groundTruth(SIZE)).rejects.toThrow(message);
  });
});

describe('a polygon', () => {
  it('holds the pixels whose centres it holds', () => {
    const triangle = polygonRegion([[0, 0, 4, 0, 0, 3]], SIZE);
    // The long side runs from (4, 0) to (0, 3): at the rows' centres it is at 3.33, 2 and 0.67.
    expect(rows(triangle)).toEqual(['###.', '##..', '#...']);
  });

  it('leaves its holes out by the even-odd rule, and is the union of its parts', () => {
    const ring = [0, 0, 4, 0, 4, 3, 0, 3, 0, 0, 1, 1, 3, 1, 3, 2, 1, 2, 1, 1];
    expect(rows(polygonRegion([ring], SIZE))).toEqual(['####', '#..#', '####']);
    expect(rows(polygonRegion([ring, [0, 0, 4, 0, 4, 3, 0, 3]], SIZE))).toEqual(['####', '####', '####']);
  });

  it('is cut at the edges of the picture', () => {
    expect(rows(polygonRegion([[-5, -5, 2, -5, 2, 9, -5, 9]], SIZE))).toEqual(['##..', '##..', '##..']);
    expect(rows(polygonRegion([[10, 10, 20, 10, 20, 20]], SIZE))).toEqual(['....', '....', '....']);
  });

  it('has its area in pixels, however it lies', () => {
    for (let turn = 0; turn < 12; turn++) {
      const points = Array.from({ length: 200 }, (_, i) => (2 * Math.PI * (i + turn / 12)) / 200).flatMap((angle) => [
        50.3 + 40 * Math.cos(angle),
        49.1 + 25 * Math.sin(angle),
      ]);
      const { mask } = polygonRegion([points], { width: 100, height: 100 });
      const pixels = mask.reduce((sum, value) => sum + value, 0);
      expect(Math.abs(pixels - Math.PI * 40 * 25)).toBeLessThan(0.01 * pixels);
    }
  });
});

it.each([
  ['a folder that is not there', () => findLabelledPictures(join(root, 'none'), root, undefined), /--images.*none/],
  ['a folder without pictures', () => findLabelledPictures(root, root, undefined), /--images.*a folder with pictures/],
  [
    'masks that are not there',
    () => findLabelledPictures(join(root, 'images'), join(root, 'none'), undefined),
    /--masks/,
  ],
  [
    'masks of other pictures',
    () => findLabelledPictures(join(root, 'images'), root, undefined),
    /--masks.*STEM\.trimap/,
  ],
  [
    'a category of trimaps',
    () => findLabelledPictures(join(root, 'images'), join(root, 'masks'), 'cat'),
    /--category.*COCO annotations only/,
  ],
])('%s: refused', async (_, find, message) => {
  const error = await find().catch((thrown) => thrown);
  expect(error).toBeInstanceOf(OptionError);
  expect(error.message).toMatch(message);
});

const shared = '../shared/segmented';
describe.skipIf(!existsSync(shared))(`real pictures (skipped where ${shared} is absent)`, () => {
  it.each([['pets', 5] as const, ['coco', 2] as const])('%s', async (folder, count) => {
    const { pictures, unlabelled } = await findLabelledPictures(join(shared, folder), join(shared, folder), undefined);
    expect([pictures.length, unlabelled.length]).toEqual([count, 0]);
    for (const { file, groundTruth } of pictures) {
      const labelled = labelPixels(await groundTruth(await readPicture(file)));
      const share = labelled.objectPixels / labelled.countedPixels;
      expect(labelled.instances.length).toBe(1);
      expect(share).toBeGreaterThan(0.1);
      expect(share).toBeLessThan(0.7);
    }
  });

  it('the bus is as large as its annotation says', async () => {
    const { pictures } = await findLabelledPictures(join(shared, 'coco'), join(shared, 'coco'), 'bus');
    const bus = labelPixels(await pictures[0]!.groundTruth({ width: 640, height: 427 }));
    expect(bus.objectPixels / 93_718).toBeCloseTo(1, 2);
  });
});
