import { describe } from 'vitest';
import { MASK_RANGE_FLOATS, type MaskShape, maskInput, maskRanges } from '../../src/ops/mask-input.ts';
import { assertClose, assertSameBits, FLOAT32_EPSILON } from '../harness/assertions.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/mask-input.ts';
import { stack, tensor } from '../reference/tensor.ts';

async function maskedCopies(
  op: OpBench,
  shape: MaskShape,
  data: { x: Float32Array; activations: Float32Array },
  copies = { first: 0, count: shape.maps },
): Promise<Float32Array> {
  const { maps, channels, outHeight, outWidth } = shape;
  const [x, activations] = [op.input(data.x), op.input(data.activations)];
  const ranges = op.output(maps * MASK_RANGE_FLOATS);
  const y = op.output(copies.count * channels * outHeight * outWidth);
  await op.run(maskRanges(shape, { activations, ranges }), maskInput(shape, copies, { x, activations, ranges, y }));
  return op.floats(y);
}

function expectedCopies(
  { maps, height, width, channels, outHeight, outWidth }: MaskShape,
  data: ReturnType<typeof draw>,
) {
  const x = tensor([channels, outHeight, outWidth], data.x);
  const masks = reference.activationMasks(tensor([maps, height, width], data.activations), [outHeight, outWidth]);
  return stack(masks.map((mask) => reference.maskInput(x, mask)));
}

function draw({ maps, height, width, channels, outHeight, outWidth }: MaskShape, size = 1) {
  const source = random(maps * height + width);
  const activations = source.normals(maps * height * width).map((value) => size * value);
  return { x: source.normals(channels * outHeight * outWidth), activations };
}

const SHAPES: MaskShape[] = [
  { maps: 1, height: 1, width: 2, channels: 1, outHeight: 1, outWidth: 3 },
  { maps: 3, height: 2, width: 2, channels: 3, outHeight: 32, outWidth: 32 },
  { maps: 5, height: 7, width: 5, channels: 2, outHeight: 13, outWidth: 63 },
  { maps: 2, height: 14, width: 14, channels: 3, outHeight: 65, outWidth: 64 },
  { maps: 4, height: 9, width: 11, channels: 3, outHeight: 9, outWidth: 11 },
];

describe('mask-input', () => {
  for (const shape of SHAPES) {
    const { maps, height, width, outHeight, outWidth } = shape;
    opTest(`by ${maps} maps of ${height} × ${width}, to ${outHeight} × ${outWidth}`, async (op) => {
      for (const size of [1e-30, 1, 1e30]) {
        const data = draw(shape, size);
        const expected = expectedCopies(shape, data);
        // Places between cells are rounded by their own size, up to the map's, and so are the shares.
        const tolerance = 8 * FLOAT32_EPSILON * Math.max(height, width);
        const what = `activations of ${size}`;
        assertClose(await maskedCopies(op, shape, data), expected.data, { shape: expected.shape, tolerance, what });
      }
    });
  }

  opTest('is zero for maps that are constant, whatever their value', async (op) => {
    const shape = { maps: 4, height: 3, width: 3, channels: 2, outHeight: 17, outWidth: 19 };
    const { x } = draw(shape);
    const activations = Float32Array.from({ length: 36 }, (_, i) => [0, 0.1, -7e30, 1e-40][Math.floor(i / 9)]!);
    const y = await maskedCopies(op, shape, { x, activations });
    assertClose(y, new Float32Array(y.length), { tolerance: 0 });
  });

  opTest('gives a copy the same bits in whichever batch it comes', async (op) => {
    const shape = { maps: 7, height: 4, width: 5, channels: 3, outHeight: 12, outWidth: 10 };
    const data = draw(shape);
    const whole = await maskedCopies(op, shape, data);
    const copy = 3 * 12 * 10;
    for (const [first, count] of [
      [0, 1],
      [3, 4],
      [6, 1],
    ] as const) {
      const part = await maskedCopies(op, shape, data, { first, count });
      assertSameBits(part, whole.subarray(first * copy, (first + count) * copy), { what: `${count} from ${first}` });
    }
  });
});
