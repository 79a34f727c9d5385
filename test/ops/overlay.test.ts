import { describe } from 'vitest';
import { type OverlayShape, overlay } from '../../src/ops/overlay.ts';
import { assert, assertClose } from '../harness/assertions.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/overlay.ts';
import { slice, type Tensor, tensor } from '../reference/tensor.ts';

/** Neighbouring colours are far apart: a wrong entry shows. */
const COLORS = Uint32Array.from({ length: 256 }, (_, i) => word([(i * 89) % 256, 255 - i, (i * 37 + 11) % 256, 255]));

function word([red, green, blue, alpha]: readonly number[]): number {
  return (red! | (green! << 8) | (blue! << 16) | (alpha! << 24)) >>> 0;
}

function channels(words: Uint32Array): number[] {
  return Array.from(words).flatMap((pixel) => [0, 8, 16, 24].map((shift) => (pixel >>> shift) & 255));
}

interface Case extends reference.OverlayParameters {
  readonly picture: readonly [height: number, width: number];
  /** Several, of which one is drawn. */
  readonly heat: Tensor;
  readonly mapIndex: number;
}

function makePicture([height, width]: Case['picture']): Uint32Array {
  const draw = random(height * width);
  return Uint32Array.from({ length: height * width }, () => word([0, 0, 0, 0].map(() => draw.integer(0, 255))));
}

async function draw(op: OpBench, each: Case, bands = [each.picture[0]]): Promise<Uint32Array> {
  const [height, width] = each.picture;
  const { view, low, high, opacity, mapIndex } = each;
  const [, mapHeight, mapWidth] = each.heat.shape as readonly number[] as [number, number, number];
  const picture = makePicture(each.picture);
  const drawn = new Uint32Array(height * width);
  let firstRow = 0;
  for (const rows of bands) {
    const shape: OverlayShape = { width, rows, firstRow, mapHeight, mapWidth, mapIndex, view, low, high, opacity };
    const result = op.output(rows * width);
    await op.run(
      overlay(shape, {
        picture: op.input(picture.subarray(firstRow * width, (firstRow + rows) * width)),
        heat: op.input(Float32Array.from(each.heat.data)),
        colors: op.input(COLORS),
        result,
      }),
    );
    drawn.set(await op.words(result), firstRow * width);
    firstRow += rows;
  }
  return drawn;
}

function heatMaps(maps: number, height: number, width: number): Tensor {
  return tensor([maps, height, width], random(height + width).uniforms(maps * height * width, 0, 2));
}

const CASES: [string, Case][] = [
  [
    'the whole picture',
    {
      picture: [37, 53],
      heat: heatMaps(1, 7, 7),
      mapIndex: 0,
      view: { left: 0, top: 0, width: 53, height: 37 },
      low: 0,
      high: 2,
      opacity: 0.5,
    },
  ],
  [
    'a crop, the second of three maps',
    {
      picture: [64, 96],
      heat: heatMaps(3, 14, 14),
      mapIndex: 1,
      view: { left: 20.25, top: 4.125, width: 56.3, height: 56.3 },
      low: 0.25,
      high: 1.5,
      opacity: 0.7,
    },
  ],
  [
    'a view wider than the picture',
    {
      picture: [48, 20],
      heat: heatMaps(1, 5, 3),
      mapIndex: 0,
      view: { left: -14, top: 0, width: 48, height: 48 },
      low: 0,
      high: 2,
      opacity: 1,
    },
  ],
  [
    'a map of one cell over one pixel',
    {
      picture: [1, 1],
      heat: heatMaps(1, 1, 1),
      mapIndex: 0,
      view: { left: 0, top: 0, width: 1, height: 1 },
      low: 0,
      high: 2,
      opacity: 0.25,
    },
  ],
];

describe('overlay', () => {
  for (const [title, each] of CASES) {
    opTest(title, async (op) => {
      const [height, width] = each.picture;
      const picture = tensor([height, width, 4], channels(makePicture(each.picture)));
      const levels = reference.heatLevels(each.picture, slice(each.heat, each.mapIndex), each);
      const colors = tensor(
        [256, 3],
        channels(COLORS).filter((_, i) => i % 4 < 3),
      );
      const expected = reference.overlay(picture, levels, colors, each);
      const found = channels(await draw(op, each));

      let undecided = 0;
      levels.data.forEach((level, pixel) => {
        assert(found[pixel * 4 + 3] === 255, `pixel ${pixel} is not opaque`);
        // Half-way between two colours, the last bit decides.
        if (Math.abs((level % 1) - 0.5) < 1e-3) {
          undecided++;
          return;
        }
        for (let c = 0; c < 3; c++) {
          const [is, ought] = [found[pixel * 4 + c]!, expected.data[pixel * 3 + c]!];
          const place = `[${Math.floor(pixel / width)}, ${pixel % width}, ${c}] at level ${level}`;
          assert(Math.abs(is - ought) <= 0.501, `${place}: expected ${ought} to the nearest, found ${is}`);
        }
      });
      assert(undecided <= 0.02 * levels.data.length, `${undecided} pixels lie between two colours`);
    });
  }

  opTest('gives the same pixels in bands', async (op) => {
    const each = CASES[1]![1];
    const whole = await draw(op, each);
    assertClose(await draw(op, each, [1, 20, 43]), whole, { tolerance: 0 });
  });

  opTest('is the picture itself at opacity 0, but opaque', async (op) => {
    const each = { ...CASES[0]![1], opacity: 0 };
    const picture = makePicture(each.picture).map((pixel) => (pixel | 0xff000000) >>> 0);
    assertClose(await draw(op, each), picture, { tolerance: 0 });
  });
});
