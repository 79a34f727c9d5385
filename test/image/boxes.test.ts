import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/errors.ts';
import { type BoxOptions, boxesOf, drawBoxes } from '../../src/image/boxes.ts';
import { fitPicture, viewOf } from '../../src/image/fit.ts';
import { random } from '../harness/random.ts';

/** A map drawn in rows of digits, its values in eighths; a dot is 0. */
function drawnMap(...rows: string[]) {
  const digits = rows.join('').replaceAll('.', '0');
  const shape = [1, rows.length, rows[0]!.length] as const;
  return { data: Float32Array.from(digits, (digit) => Number(digit) / 8), shape };
}

/** In a picture of the map's own size each cell is a pixel. */
function boxesOfCells(rows: string[], options?: BoxOptions) {
  const map = drawnMap(...rows);
  const [, height, width] = map.shape;
  return boxesOf(map, { picture: { width, height } }, options);
}

const TWO_CORNERS = [
  '8......', //
  '.4.....',
  '.......',
  '....22.',
  '....26.',
];

describe('boxesOf', () => {
  it('finds regions that touch by a corner, those with the most of the map first', () => {
    expect(boxesOfCells(TWO_CORNERS)).toEqual([
      { box: [0, 0, 2, 2], area: 2, score: 12 / 24, mean: 6 / 8, max: 1 },
      { box: [4, 3, 2, 2], area: 4, score: 12 / 24, mean: 3 / 8, max: 6 / 8 },
    ]);
  });

  it('with connectivity 4: those that touch by a side only', () => {
    expect(boxesOfCells(TWO_CORNERS, { connectivity: 4 }).map(({ box, score }) => [box, score])).toEqual([
      [[4, 3, 2, 2], 12 / 24],
      [[0, 0, 1, 1], 8 / 24],
      [[1, 1, 1, 1], 4 / 24],
    ]);
  });

  it('takes pixels from the threshold on, as a share of the maximum', () => {
    const boxes = (threshold: number) => boxesOfCells(TWO_CORNERS, { threshold }).map(({ box }) => box);
    expect(boxes(0.25)).toEqual([
      [0, 0, 2, 2],
      [4, 3, 2, 2],
    ]);
    expect(boxes(0.26)).toEqual([
      [0, 0, 2, 2],
      [5, 4, 1, 1],
    ]);
    expect(boxes(1)).toEqual([[0, 0, 1, 1]]);
  });

  it('has 15 % of the maximum as its threshold', () => {
    const place = { picture: { width: 3, height: 1 } };
    const count = (low: number) => boxesOf({ data: Float32Array.of(low, 0, 1), shape: [1, 1, 3] }, place).length;
    expect([count(0.1499), count(0.1501)]).toEqual([1, 2]);
  });

  it('leaves small regions out, and counts their share of the map all the same', () => {
    expect(boxesOfCells(TWO_CORNERS, { minArea: 3 })).toEqual([
      { box: [4, 3, 2, 2], area: 4, score: 12 / 24, mean: 3 / 8, max: 6 / 8 },
    ]);
  });

  it('orders equal regions from the top, then from the left', () => {
    const rows = ['....1', '.....', '1.1..', '.....', '..1..'];
    expect(boxesOfCells(rows).map(({ box: [x, y] }) => [x, y])).toEqual([
      [4, 0],
      [0, 2],
      [2, 2],
      [2, 4],
    ]);
  });

  it('follows a region round corners, and does not go round the edge', () => {
    const rows = [
      '1.111', //
      '1...1',
      '11111',
      '.....',
      '....1',
      '1....',
    ];
    expect(boxesOfCells(rows).map(({ box, area }) => [box, area])).toEqual([
      [[0, 0, 5, 3], 11],
      [[4, 4, 1, 1], 1],
      [[0, 5, 1, 1], 1],
    ]);
  });

  it('has nothing for a map of zeros', () => {
    expect(boxesOfCells(['...', '...'])).toEqual([]);
  });

  it('takes the map that is asked for', () => {
    const data = Float32Array.of(1, 0, 0, 0, 1, 1);
    const boxes = boxesOf({ data, shape: [2, 1, 3] }, { picture: { width: 3, height: 1 } }, { map: 1 });
    expect(boxes.map(({ box }) => box)).toEqual([[1, 0, 2, 1]]);
  });

  it('splits the pixels above the threshold without remainder, whatever they are', () => {
    const { uniforms } = random(5);
    const [width, height] = [31, 17];
    for (const connectivity of [4, 8] as const) {
      const data = uniforms(width * height);
      const place = { picture: { width, height } };
      const boxes = boxesOf({ data, shape: [1, height, width] }, place, { threshold: 0.6, connectivity });
      const level = 0.6 * Math.max(...data);
      const above = data.filter((value) => value >= level);
      expect(boxes.reduce((total, { area }) => total + area, 0)).toBe(above.length);
      const share = above.reduce((a, b) => a + b, 0) / data.reduce((a, b) => a + b, 0);
      expect(boxes.reduce((total, { score }) => total + score, 0)).toBeCloseTo(share, 5);
      expect(boxes).toEqual(boxes.toSorted((a, b) => b.score - a.score));
    }
  });

  it.each<[BoxOptions, RegExp]>([
    [{ threshold: 0 }, /threshold: got 0; allowed: a number above 0 and up to 1/],
    [{ threshold: 1.1 }, /threshold: got 1\.1/],
    [{ threshold: Number.NaN }, /threshold: got NaN/],
    [{ connectivity: 6 as 8 }, /connectivity: got 6; allowed: 4 or 8/],
    [{ minArea: -1 }, /minArea: got -1/],
    [{ map: 1 }, /map: got 1; allowed: a whole number from 0 to 0/],
    [{ treshold: 0.5 } as BoxOptions, /treshold: .*threshold/],
  ])('refuses %j', (options, message) => {
    expect(() => boxesOfCells(['1'], options)).toThrow(OptionError);
    expect(() => boxesOfCells(['1'], options)).toThrow(message);
  });
});

describe('boxes in the picture', () => {
  const input = { width: 224, height: 224 };
  /** One cell of 14 × 14 that is 1: enlarged, half of that is reached half a cell around it. */
  const cell = (row: number, column: number) => {
    const data = new Float32Array(14 * 14);
    data[14 * row + column] = 1;
    return { data, shape: [1, 14, 14] as const };
  };
  const boxOf = (fit: 'squash' | 'crop' | 'pad', picture: { width: number; height: number }) => {
    const view = viewOf(fitPicture(fit, picture, input));
    return boxesOf(cell(6, 10), { picture, view }, { threshold: 0.5, connectivity: 4 }).map(({ box }) => box);
  };

  it('fitted by squash: each axis has a scale of its own', () => {
    // A cell is 40 × 20 pixels: from column 400 and row 120. The product of both axes cuts the corners only.
    expect(boxOf('squash', { width: 560, height: 280 })).toEqual([[400, 120, 40, 20]]);
  });

  it('fitted by crop: behind what was cut off', () => {
    // 512 × 256, of which columns 144 to 368 and rows 16 to 240 are seen; a cell is 16 × 16.
    expect(boxOf('crop', { width: 512, height: 256 })).toEqual([[144 + 160, 16 + 96, 16, 16]]);
  });

  it('fitted by pad: without what was added', () => {
    // 448 × 224 is half as large in the input, 56 rows of padding above; a cell is 32 × 32.
    expect(boxOf('pad', { width: 448, height: 224 })).toEqual([[320, 6 * 32 - 112, 32, 32]]);
  });

  it('ends at the edge of the picture where the padding begins', () => {
    const picture = { width: 448, height: 224 };
    const view = viewOf(fitPicture('pad', picture, input));
    const padded = { data: new Float32Array(14 * 14).fill(1), shape: [1, 14, 14] as const };
    expect(boxesOf(padded, { picture, view })).toEqual([
      { box: [0, 0, 448, 224], area: 448 * 224, score: 1, mean: 1, max: 1 },
    ]);
  });
});

describe('drawBoxes', () => {
  const grey = (width: number, height: number) => ({
    data: new Uint8ClampedArray(4 * width * height).fill(90),
    width,
    height,
  });
  const rowsOf = ({ data, width, height }: ReturnType<typeof grey>) =>
    Array.from({ length: height }, (_, y) =>
      Array.from({ length: width }, (_, x) => ({ 0: '#', 255: 'o', 90: '.' })[data[4 * (y * width + x)]!]).join(''),
    );

  it('draws a white line along the inside of the box, between black ones', () => {
    expect(rowsOf(drawBoxes(grey(9, 8), [{ box: [2, 1, 6, 6] }]))).toEqual([
      '.########',
      '.#oooooo#',
      '.#o####o#',
      '.#o#..#o#',
      '.#o#..#o#',
      '.#o####o#',
      '.#oooooo#',
      '.########',
    ]);
  });

  it('stays in the picture, draws the first box on top, and leaves the picture as it was', () => {
    const picture = grey(5, 4);
    const drawn = drawBoxes(picture, [{ box: [0, 0, 2, 4] }, { box: [0, 0, 5, 4] }]);
    expect(rowsOf(drawn)).toEqual([
      'oo#oo', //
      'oo##o',
      'oo##o',
      'oo#oo',
    ]);
    expect(rowsOf(picture)).toEqual(['.....', '.....', '.....', '.....']);
  });

  it('draws thicker lines in larger pictures', () => {
    const row = rowsOf(drawBoxes(grey(600, 600), [{ box: [100, 0, 400, 600] }]))[300]!;
    expect(row.slice(98, 106)).toBe('.#ooo#..');
  });
});
