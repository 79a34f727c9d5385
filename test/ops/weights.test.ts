import { describe } from 'vitest';
import { type AlphaConventions, USUAL_CONVENTIONS } from '../../src/conventions.ts';
import { MOMENT_FLOATS } from '../../src/ops/moments.ts';
import { activationShareWeights, expressionWeights } from '../../src/ops/weights.other.ts';
import { alphaWeights, meanGradientWeights, type WeightsShape } from '../../src/ops/weights.ts';
import { assertClose, assertEqual } from '../harness/assertions.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import type { Moments } from '../reference/moments.ts';
import { tensor } from '../reference/tensor.ts';
import * as reference from '../reference/weights.ts';

const SHAPES: WeightsShape[] = [
  { maps: 1, cells: 1, samples: 1 },
  { maps: 7, cells: 63, samples: 2 },
  { maps: 3, cells: 64, samples: 5 },
  { maps: 9, cells: 65, samples: 3 },
  { maps: 66, cells: 196, samples: 4 },
  { maps: 2, cells: 3136, samples: 1 },
];
const NUMERATORS = ['second', 'first'] as const;

/** Those of the presets, and what only other options give; `last`: with the gradient of the last sample behind α. */
const CONVENTIONS: (Partial<AlphaConventions> & { last?: true })[] = [
  { alphaGuard: 'nonzero', alphaNormalization: 'positive-gradient' },
  { alphaGuard: 'nonzero', alphaNormalization: 'all' },
  { alphaGuard: 'nonzero', alphaEpsilon: 1e-6 },
  { alphaGuard: 'nonzero', alphaDenominator: 'none' },
  { alphaGuard: 'nonzero', alphaDenominator: 'sum', alphaEpsilon: 1e-3, last: true },
  { alphaNumerator: 'first', alphaDenominator: 'none', alphaEpsilon: 0.5 },
  { alphaNumerator: 'first', alphaDenominator: 'sum', alphaNormalization: 'positive-gradient' },
];

/**
 * Sums as moments leaves them, with activations, such that the denominators 2 D2 + G D3 are of both signs and none is
 * the small difference of large numbers, whose α nobody could compute in float32.
 *
 * @param size of the gradients: s is the power of two above it
 */
function makeSums({ maps, cells }: WeightsShape, size: number) {
  const draw = random(maps + cells);
  const activations = draw.uniforms(maps * cells, 0, 2);
  const sums = new Float32Array(maps * cells * MOMENT_FLOATS);
  const scale = 2 ** Math.ceil(Math.log2(size));
  for (let map = 0; map < maps; map++) {
    const mapSum = activations.subarray(map * cells, (map + 1) * cells).reduce((a, b) => a + b, 0);
    for (let cell = map * cells; cell < (map + 1) * cells; cell++) {
      const second = draw.uniform(0.1, 1);
      const denominator = draw.uniform(0.25, 4) * (draw.integer(0, 3) === 0 ? -1 : 1);
      const third = (denominator - 2 * second) / (mapSum * scale);
      sums.set([draw.normal() * scale, second, third, scale], cell * MOMENT_FLOATS);
    }
  }
  return { sums, activations };
}

/**
 * The same for denominators 2 D2 + Σ A D3, of both signs within a map, with scales that differ from cell to cell: the sum is
 * −1.1, or 5 in every third map, and no 2 D2 lies next to 1.1, all in units of the map's s².
 */
function makeSumsOfMaps({ maps, cells }: WeightsShape, size: number) {
  const draw = random(maps * cells);
  const activations = draw.uniforms(maps * cells, 0, 2);
  const sums = new Float32Array(maps * cells * MOMENT_FLOATS);
  const scale = 2 ** Math.ceil(Math.log2(size));
  for (let map = 0; map < maps; map++) {
    const raw = draw.uniforms(cells, -0.5, 1.5);
    const total = raw.reduce((sum, third, i) => sum + third * activations[map * cells + i]!, 0);
    const factor = (map % 3 === 2 ? 5 : -1.1) / (total * scale);
    raw.forEach((third, i) => {
      const own = 2 ** -draw.integer(0, 2);
      const second = draw.uniform(0.1, 0.4) + (draw.integer(0, 1) === 0 ? 0 : 0.6);
      const row = [draw.normal() * scale, second / own ** 2, (third * factor) / own ** 3, scale * own];
      sums.set(row, (map * cells + i) * MOMENT_FLOATS);
    });
  }
  return { sums, activations };
}

/** What the sums stand for: D1 = Σg / n, D2 = s² Σh² / n, D3 = s³ Σh³ / n. */
function momentsOf(sums: Float32Array, { maps, cells, samples }: WeightsShape): Moments {
  const of = (power: 1 | 2 | 3) =>
    tensor(
      [maps, cells, 1],
      Float64Array.from({ length: maps * cells }, (_, i) => {
        const scale = power === 1 ? 1 : sums[i * MOMENT_FLOATS + 3]! ** power;
        return (sums[i * MOMENT_FLOATS + power - 1]! * scale) / samples;
      }),
    );
  return { first: of(1), second: of(2), third: of(3) };
}

async function weightsOf(
  op: OpBench,
  shape: WeightsShape,
  conventions: Partial<AlphaConventions>,
  {
    sums,
    activations,
    lastGradient: last,
  }: { sums: Float32Array; activations: Float32Array; lastGradient?: Float32Array },
) {
  const zeroCells = op.input(Uint32Array.of(0));
  const weights = op.output(shape.maps);
  const lastGradient = last && op.input(last);
  const buffers = { sums: op.input(sums), activations: op.input(activations), zeroCells, weights, lastGradient };
  await op.run(alphaWeights(shape, { ...USUAL_CONVENTIONS, ...conventions }, buffers));
  return { weights: await op.floats(weights), zeroCells: (await op.words(zeroCells))[0] };
}

describe('weights', () => {
  for (const shape of SHAPES) {
    const { maps, cells, samples } = shape;
    const title = `${maps} maps of ${cells} cells, n = ${samples}`;
    for (const numerator of NUMERATORS) {
      opTest(`from α with the ${numerator} moment above: ${title}`, async (op) => {
        for (const size of [1e-20, 0.003, 1, 1e12]) {
          const made = makeSums(shape, size);
          const { weights, zeroCells } = await weightsOf(op, shape, { alphaNumerator: numerator }, made);
          const oracle = tensor([maps, cells, 1], made.activations);
          const expected = reference.alphaWeights(momentsOf(made.sums, shape), oracle, { alphaNumerator: numerator });
          assertEqual(zeroCells, expected.alphaZeroCells, `cells with α = 0 of gradients of ${size}`);
          // G, a sum of as many terms as there are cells, is within each of them.
          const what = `weights from gradients of ${size}`;
          assertClose(weights, expected.weights.data, { what, terms: cells, tolerance: 2 ** -18 });
        }
      });
    }

    opTest(`of Grad-CAM: ${title}`, async (op) => {
      const { sums } = makeSums(shape, 1);
      const weights = op.output(maps);
      await op.run(meanGradientWeights(shape, { sums: op.input(sums), weights }));
      const expected = reference.gradCamWeights(momentsOf(sums, shape).first);
      assertClose(await op.floats(weights), expected.data, { terms: cells, scale: 1 / samples });
    });

    opTest(`of XGrad-CAM: ${title}`, async (op) => {
      const { sums, activations: unit } = makeSums(shape, 1);
      // The last map is zero.
      if (maps > 1) unit.fill(0, (maps - 1) * cells);
      for (const size of [1e-30, 1, 1e30]) {
        const activations = unit.map((value) => value * size);
        const weights = op.output(maps);
        const buffers = { sums: op.input(sums), activations: op.input(activations), weights };
        await op.run(activationShareWeights(shape, buffers));
        const gradient = momentsOf(sums, shape).first;
        const expected = reference.xGradCamWeights(gradient, tensor(gradient.shape, activations));
        const what = `weights by shares of activations of ${size}`;
        assertClose(await op.floats(weights), expected.data, { what, terms: cells, scale: 1 / samples });
      }
    });
  }

  for (const numerator of NUMERATORS) {
    opTest(`with the ${numerator} moment above: cells without a usable denominator count as zero`, async (op) => {
      const shape = { maps: 2, cells: 5, samples: 1 };
      const one = [1, 1, 0, 1];
      const rows = [
        ...[one, [0, 0, 0, 0], one, [1, 0.5, -1, 1], [1, 3e38, 3e38, 1]],
        ...[one, [-1, 1, 0, 1], [1, 0.5, -0.25, 1], [2, 1, 0, 2], [0, 0, 0, 0]],
      ];
      // G = 1 and 4: the denominators are 2, 0, 2, 0, ∞ and 2, 2, 0, 2, 0.
      const activations = Float32Array.of(1, 0, 0, 0, 0, 1, 1, 1, 0.5, 0.5);
      const { weights, zeroCells } = await weightsOf(
        op,
        shape,
        { alphaNumerator: numerator },
        {
          sums: Float32Array.from(rows.flat()),
          activations,
        },
      );
      assertEqual(zeroCells, 5, 'cells with α = 0');
      // α ReLU(D1) is 1/2 where the gradient is 1; at g = 2, D1² / (2 D2) = 1/2 · … of s = 2: second 1, first 1/2.
      const last = numerator === 'second' ? 1 : 0.5;
      assertClose(weights, [1, 0.5 + last], { tolerance: 0 });
    });
  }

  for (const { last, ...conventions } of CONVENTIONS) {
    const title = [...Object.values(conventions), ...(last ? ['the last gradient'] : [])].join(', ');
    opTest(`from α by other conventions: ${title}`, async (op) => {
      for (const shape of SHAPES) {
        const { maps, cells } = shape;
        for (const size of [0.003, 1, 40]) {
          const made = conventions.alphaDenominator === 'sum' ? makeSumsOfMaps(shape, size) : makeSums(shape, size);
          const lastGradient = last && random(cells).normals(maps * cells);
          const { weights, zeroCells } = await weightsOf(op, shape, conventions, { ...made, lastGradient });
          const expected = reference.alphaWeights(
            momentsOf(made.sums, shape),
            tensor([maps, cells, 1], made.activations),
            conventions,
            lastGradient && tensor([maps, cells, 1], lastGradient),
          );
          const what = `weights of ${maps} maps of ${cells} cells from gradients of ${size}`;
          assertEqual(zeroCells, expected.alphaZeroCells, `cells with α = 0, ${what}`);
          assertClose(weights, expected.weights.data, { what, terms: cells, tolerance: 2 ** -18 });
        }
      }
    });
  }

  opTest('by no convention of maps without a gradient are anything but zero', async (op) => {
    const shape = { maps: 2, cells: 70, samples: 2 };
    const nothing = { sums: new Float32Array(4 * 140), activations: new Float32Array(140).fill(1) };
    for (const { last: _, ...conventions } of CONVENTIONS) {
      const { weights } = await weightsOf(op, shape, conventions, nothing);
      assertEqual([...weights], [0, 0], `weights, ${JSON.stringify(conventions)}`);
    }
  });

  for (const shape of SHAPES) {
    const { maps, cells } = shape;
    opTest(`by an expression: ${maps} maps of ${cells} cells`, async (op) => {
      const { sums, activations } = makeSums(shape, 0.5);
      const weights = op.output(maps);
      const text = 'a * d1 + 2.0 * d2 - d3 / (1.0 + sum_a) + 1 / cells';
      const buffers = { sums: op.input(sums), activations: op.input(activations), weights };
      await op.run(expressionWeights(shape, { name: 'mine', text }, buffers));
      const { first, second, third } = momentsOf(sums, shape);
      const expected = new Float64Array(maps);
      const sizes = new Float64Array(maps);
      for (let map = 0; map < maps; map++) {
        const own = activations.subarray(map * cells, (map + 1) * cells);
        const mapSum = own.reduce((sum, a) => sum + a, 0);
        own.forEach((a, cell) => {
          const [d1, d2, d3] = [first, second, third].map(({ data }) => data[map * cells + cell]!);
          const terms = [a * d1!, 2 * d2!, -d3! / (1 + mapSum), 1 / cells];
          expected[map]! += terms.reduce((sum, term) => sum + term, 0);
          sizes[map]! += terms.reduce((sum, term) => sum + Math.abs(term), 0);
        });
      }
      const bySize = (values: ArrayLike<number>) => Array.from(values, (value, map) => value / sizes[map]!);
      assertClose(bySize(await op.floats(weights)), bySize(expected), { scale: 1, tolerance: 2 ** -18 });
    });
  }

  opTest('by an expression that names no moments', async (op) => {
    const weights = op.output(2);
    const buffers = { activations: op.input(Float32Array.of(1, 2, 3, 4, 5, 6)), weights };
    await op.run(expressionWeights({ maps: 2, cells: 3, samples: 1 }, { name: 'mine', text: 'a' }, buffers));
    assertClose(await op.floats(weights), [6, 15], { tolerance: 0 });
  });
});
