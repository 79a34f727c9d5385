import { describe } from 'vitest';
import type { Dispatch } from '../../src/gpu/encoder.ts';
import { expressionMap } from '../../src/ops/map.expression.ts';
import { gradientMap, type MapBuffers, type MapShape, map } from '../../src/ops/map.ts';
import { MOMENT_FLOATS } from '../../src/ops/moments.ts';
import { assertClose } from '../harness/assertions.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/map.ts';
import { tensor } from '../reference/tensor.ts';

interface Feature {
  readonly featureMaps: number;
  readonly height: number;
  readonly width: number;
}

/** Which feature maps each heat map sums, and which cells count. */
interface Chosen {
  readonly sums: readonly (readonly number[])[];
  readonly mask: Uint32Array;
}

function chosen({ featureMaps, height, width }: Feature, options: reference.MapOptions): Chosen {
  const all = Array.from({ length: featureMaps }, (_, k) => k);
  const { filters = all, combineFilters = options.filters ? 'each' : 'sum' } = options;
  return {
    sums: combineFilters === 'sum' ? [filters] : filters.map((k) => [k]),
    mask: Uint32Array.from(reference.subsetMask([height, width], options).data),
  };
}

async function runMap(
  op: OpBench,
  activations: Float32Array,
  { sums, mask }: Chosen,
  launch: (shape: MapShape, buffers: MapBuffers) => Dispatch,
) {
  const shape = { maps: sums.length, filtersPerMap: sums[0]!.length, cells: mask.length };
  const signed = op.output(shape.maps * shape.cells);
  const rectified = op.output(shape.maps * shape.cells);
  await op.run(
    launch(shape, {
      activations: op.input(activations),
      filters: op.input(Uint32Array.from(sums.flat())),
      subset: op.input(mask),
      signed,
      rectified,
    }),
  );
  return { signed: await op.floats(signed), rectified: await op.floats(rectified) };
}

function heatMaps(
  op: OpBench,
  { activations, weights }: { activations: Float32Array; weights: Float32Array },
  which: Chosen,
) {
  return runMap(op, activations, which, (shape, buffers) => map(shape, { ...buffers, weights: op.input(weights) }));
}

/** @param slopes Σ g over the samples, [maps, cells]; what else moments leaves must not matter */
function gradientMaps(
  op: OpBench,
  { activations, slopes }: { activations: Float32Array; slopes: Float32Array },
  which: Chosen,
  { samples, gradients }: { samples: number; gradients: 'signed' | 'positive' },
) {
  const sums = new Float32Array(slopes.length * MOMENT_FLOATS).fill(Number.NaN);
  slopes.forEach((slope, i) => {
    sums[i * MOMENT_FLOATS] = slope;
  });
  return runMap(op, activations, which, (shape, buffers) =>
    gradientMap({ ...shape, samples }, gradients, { ...buffers, sums: op.input(sums) }),
  );
}

const CASES: [string, Feature, reference.MapOptions][] = [
  ['one map of one cell', { featureMaps: 1, height: 1, width: 1 }, {}],
  ['all filters', { featureMaps: 17, height: 5, width: 13 }, {}],
  ['all of 512 filters', { featureMaps: 512, height: 14, width: 14 }, {}],
  ['filters each', { featureMaps: 9, height: 8, width: 8 }, { filters: [8, 0, 3, 3] }],
  ['filters summed', { featureMaps: 9, height: 7, width: 9 }, { filters: [2, 7, 1], combineFilters: 'sum' }],
  [
    'a region',
    { featureMaps: 5, height: 6, width: 11 },
    {
      region: true,
      subset: [
        [4, 9],
        [1, 3],
      ],
    },
  ],
  [
    'neurons',
    { featureMaps: 5, height: 6, width: 11 },
    {
      subset: [
        [0, 0],
        [5, 10],
        [2, 4],
      ],
    },
  ],
  [
    'a region of filters each',
    { featureMaps: 3, height: 4, width: 4 },
    {
      filters: [1, 2],
      region: true,
      subset: [
        [0, 0],
        [0, 3],
      ],
    },
  ],
];

describe('map', () => {
  for (const [title, { featureMaps, height, width }, options] of CASES) {
    opTest(title, async (op) => {
      const draw = random(featureMaps + height);
      const made = {
        activations: draw.uniforms(featureMaps * height * width, 0, 3),
        weights: draw.normals(featureMaps),
      };
      const which = chosen({ featureMaps, height, width }, options);
      const found = await heatMaps(op, made, which);

      const activations = tensor([featureMaps, height, width], made.activations);
      const expected = reference.explanationMap(activations, tensor([featureMaps], made.weights), options);
      const close = { shape: expected.signed.shape, terms: which.sums[0]!.length };
      assertClose(found.signed, expected.signed.data, { what: 'signed', ...close });
      assertClose(
        found.rectified,
        found.signed.map((value) => Math.max(0, value)),
        { what: 'rectified', tolerance: 0 },
      );
    });

    for (const gradients of ['signed', 'positive'] as const) {
      opTest(`with the gradient for weights, ${gradients}: ${title}`, async (op) => {
        const draw = random(featureMaps + height);
        const samples = 3;
        const shape = [featureMaps, height, width];
        const made = {
          activations: draw.uniforms(featureMaps * height * width, 0, 3),
          slopes: draw.normals(featureMaps * height * width),
        };
        const which = chosen({ featureMaps, height, width }, options);
        const found = await gradientMaps(op, made, which, { samples, gradients });

        const mean = made.slopes.map((slope) => slope / samples);
        const weights = gradients === 'positive' ? mean.map((slope) => Math.max(0, slope)) : mean;
        const expected = reference.explanationMap(tensor(shape, made.activations), tensor(shape, weights), options);
        const close = { shape: expected.signed.shape, terms: which.sums[0]!.length };
        assertClose(found.signed, expected.signed.data, { what: 'signed', ...close });
        assertClose(found.rectified, expected.map.data, { what: 'rectified', ...close });
      });
    }
  }

  opTest('several maps of several filters', async (op) => {
    const [height, width] = [5, 7];
    const made = { activations: random(1).uniforms(4 * height * width), weights: random(2).normals(4) };
    const sums = [
      [3, 0, 1],
      [2, 2, 0],
    ];
    const found = await heatMaps(op, made, { sums, mask: new Uint32Array(height * width).fill(1) });
    const [activations, weights] = [tensor([4, height, width], made.activations), tensor([4], made.weights)];
    const expected = sums.flatMap((filters) =>
      Array.from(reference.explanationMap(activations, weights, { filters, combineFilters: 'sum' }).signed.data),
    );
    assertClose(found.signed, expected, { shape: [2, height, width], terms: 3 });
  });

  opTest('reads nothing of the cells left out', async (op) => {
    const made = { activations: Float32Array.of(1, Number.NaN, 2, Infinity), weights: Float32Array.of(-2, 4) };
    const { signed, rectified } = await heatMaps(op, made, { sums: [[0, 1]], mask: Uint32Array.of(1, 0) });
    assertClose(signed, [6, 0], { tolerance: 0 });
    assertClose(rectified, [6, 0], { tolerance: 0 });

    const slopes = Float32Array.of(-2, Number.NaN, 4, 1);
    const which = { sums: [[0, 1]], mask: Uint32Array.of(1, 0) };
    const found = await gradientMaps(op, { activations: made.activations, slopes }, which, {
      samples: 2,
      gradients: 'signed',
    });
    assertClose(found.signed, [3, 0], { tolerance: 0 });
    assertClose(found.rectified, [3, 0], { tolerance: 0 });
  });

  opTest('with an expression for weights', async (op) => {
    const [featureMaps, height, width, samples] = [7, 5, 13, 3];
    const cells = height * width;
    const draw = random(4);
    const activations = draw.uniforms(featureMaps * cells, 0, 3);
    const slopes = draw.normals(activations.length);
    const sums = new Float32Array(slopes.length * MOMENT_FLOATS);
    slopes.forEach((slope, i) => {
      sums.set([slope, 0.25, -0.5, 2], i * MOMENT_FLOATS);
    });
    const mapSums = Float32Array.from({ length: featureMaps }, (_, k) => k);
    const which = chosen({ featureMaps, height, width }, { filters: [6, 1, 2], combineFilters: 'sum' });
    const text = 'max(d1, 0.0) + a * d2 - d3 * sum_a / cells';
    const found = await runMap(op, activations, which, (shape, buffers) =>
      expressionMap(
        { ...shape, samples },
        { name: 'mine', text },
        { ...buffers, mapSums: op.input(mapSums), sums: op.input(sums) },
      ),
    );
    const expected = new Float64Array(cells);
    for (const k of [6, 1, 2]) {
      for (let cell = 0; cell < cells; cell++) {
        const [a, slope] = [activations[k * cells + cell]!, slopes[k * cells + cell]!];
        // D2 = s² · 1/4 / n and D3 = s³ · -1/2 / n with s = 2.
        const weight = Math.max(0, slope / samples) + a / samples + ((4 / samples) * k) / cells;
        expected[cell]! += weight * a;
      }
    }
    assertClose(found.signed, expected, { shape: [height, width], terms: 12 });
    assertClose(
      found.rectified,
      found.signed.map((value) => Math.max(0, value)),
      { tolerance: 0 },
    );

    const flat = await runMap(op, activations, which, (shape, buffers) =>
      expressionMap({ ...shape, samples }, { name: 'flat', text: 'sum_a' }, { ...buffers, mapSums: op.input(mapSums) }),
    );
    const weighted = await heatMaps(op, { activations, weights: mapSums }, which);
    assertClose(flat.signed, weighted.signed, { tolerance: 0 });
  });
});
