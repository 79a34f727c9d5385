import { describe } from 'vitest';
import { singularVector, singularVectorGramFloats } from '../../src/ops/singular-vector.ts';
import { assertClose, assertEqual, assertSameBits } from '../harness/assertions.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/singular-vector.ts';
import { tensor } from '../reference/tensor.ts';

async function vectorOf(op: OpBench, maps: number, activations: Float32Array): Promise<Float32Array> {
  const shape = { maps, cells: activations.length / maps };
  const vector = op.output(maps);
  const gram = op.output(singularVectorGramFloats(shape));
  await op.run(
    singularVector(shape, {
      activations: op.input(activations),
      vector,
      largest: op.input(Uint32Array.of(0)),
      gram,
      product: op.output(maps),
      ended: op.output(1),
    }),
  );
  // Every entry of every slice must have been written.
  await op.floats(gram);
  return op.floats(vector);
}

/** Feature maps as a ReLU leaves them: half of the cells are zero. */
function rectified(count: number, seed: number): Float32Array {
  return random(seed)
    .normals(count)
    .map((value) => Math.max(0, value));
}

/**
 * Feature maps σ₁ u vᵀ + σ₂ u' v'ᵀ of two pairs of orthogonal vectors: v is known without a decomposition.
 *
 * @param ratio σ₂ / σ₁
 */
function twoSingularVectors(maps: number, cells: number, ratio: number) {
  const draw = random(maps + cells);
  // Halves of opposite sign are orthogonal to equal halves.
  const v = draw.uniforms(maps / 2, 0.2, 1);
  const u = draw.uniforms(cells / 2, 0.2, 1);
  const activations = Float32Array.from({ length: maps * cells }, (_, i) => {
    const [k, cell] = [Math.floor(i / cells), i % cells];
    const sign = k < maps / 2 === cell < cells / 2 ? 1 : -1;
    return v[k % (maps / 2)]! * u[cell % (cells / 2)]! * (1 + sign * ratio);
  });
  const length = Math.sqrt(2 * v.reduce((sum, entry) => sum + entry * entry, 0));
  return { activations, vector: Float64Array.from({ length: maps }, (_, k) => v[k % (maps / 2)]! / length) };
}

describe('singular vector', () => {
  for (const [maps, cells] of [
    [1, 1],
    [1, 63],
    [2, 1],
    [5, 196],
    [7, 64],
    [64, 49],
    [66, 65],
    [131, 17],
  ] as const) {
    opTest(`of ${maps} maps of ${cells} cells`, async (op) => {
      const activations = rectified(maps * cells, maps + cells + 1);
      const expected = reference.firstSingularVector(tensor([maps, 1, cells], activations));
      const [first = 0, second = 0] = expected.values;
      const tolerance = 1e-5 / (1 - (second / first) ** 2);
      assertClose(await vectorOf(op, maps, activations), expected.vector.data, { tolerance });
    });
  }

  for (const [maps, cells, ratio] of [
    [4, 2, 0.5],
    [300, 50, 0.9],
    [512, 196, 0.3],
    [64, 12544, 0.5],
    [6, 32, 0.98],
  ] as const) {
    opTest(`of ${maps} maps of ${cells} cells, known beforehand, with σ₂ / σ₁ = ${ratio}`, async (op) => {
      const { activations, vector } = twoSingularVectors(maps, cells, ratio);
      assertClose(await vectorOf(op, maps, activations), vector, { tolerance: 1e-5 / (1 - ratio ** 2) });
    });
  }

  opTest('is the same for feature maps of any size', async (op) => {
    const unit = rectified(9 * 100, 5);
    const expected = await vectorOf(op, 9, unit);
    for (const size of [2 ** -100, 2 ** -40, 2 ** 40, 2 ** 120]) {
      const found = await vectorOf(
        op,
        9,
        unit.map((value) => value * size),
      );
      assertSameBits(found, expected, { what: `vector of feature maps times ${size}` });
    }
  });

  opTest('is on the side of (1, …, 1) where feature maps have both signs', async (op) => {
    const activations = random(8).normals(5 * 40);
    const expected = reference.firstSingularVector(tensor([5, 1, 40], activations));
    const found = await vectorOf(op, 5, activations);
    assertClose(found, expected.vector.data, { tolerance: 1e-4 });
    assertEqual(
      found.some((entry) => entry < 0) && found.reduce((a, b) => a + b) > 0,
      true,
      'of both signs, sum above 0',
    );
  });

  opTest('is zero where the feature maps are, and where one map is', async (op) => {
    assertClose(await vectorOf(op, 5, new Float32Array(5 * 70)), new Float32Array(5), { tolerance: 0 });
    const activations = rectified(3 * 70, 2).fill(0, 70, 140);
    const [first, second, third] = await vectorOf(op, 3, activations);
    assertEqual([first! > 0, second, third! > 0], [true, 0, true]);
  });

  opTest('has unit length where the first two singular values are equal', async (op) => {
    // Two maps that share no cell: any unit vector in their plane would do; this one is what the iteration begins with.
    const found = await vectorOf(op, 2, Float32Array.of(3, 0, 0, 3));
    assertClose(found, [Math.SQRT1_2, Math.SQRT1_2]);
  });
});
