/** Whole explanations of small VGGs against the float64 oracle. Imports nothing of Node: it serves every runtime. */
import { describe } from 'vitest';
import { Gpu } from '../../src/gpu/gpu.ts';
import { METHOD_ROWS, METHODS, takesLayer, takesPath } from '../../src/methods.ts';
import type { ExplainOptions } from '../../src/options.ts';
import { testAdapter, thorough } from '../harness/adapter.ts';
import { asForced, gpuTest } from '../harness/gpu.ts';
import { type Layout, loadSmallVgg, noisyPicture, type SmallVgg, smallVgg } from '../network/small-vgg.ts';
import { assertExplains, type ReferenceCase } from './oracle.ts';

const VGG16 = smallVgg({ name: 'vgg16' });
/** Its last feature maps are 4 × 4 and are flattened from 2 × 2. */
const VGG11 = smallVgg({ name: 'vgg11', inputSize: 64, seed: 11 });
/** With 16 maps at most: the oracle takes them one by one. */
const NARROW_VGG11 = smallVgg({ name: 'vgg11', inputSize: 64, channels: 2, seed: 13 });
const PICTURE = noisyPicture(1, 48, 40);

/**
 * α has a pole where 2·D2 + G·D3 = 0. A cell that lies next to it, with D1 > 0, magnifies anybody's float32 rounding a
 * thousandfold and more; with this seed none comes too close.
 */
const SMOOTH = { nSamples: 3, stdDev: 0.1, seed: 4 } as const;

/** A test for every one of the option sets, all with one model. */
function explains(name: string, vgg: SmallVgg, layout: Layout, cases: readonly ExplainOptions[], picture = PICTURE) {
  gpuTest(`${name} (${vgg.name}, ${layout})`, async (gpu) => {
    using model = await loadSmallVgg(gpu, vgg, layout);
    const reference: ReferenceCase = { vgg, layout, picture };
    for (const options of thorough ? cases : cases.filter((_, i) => i % 3 === 0)) {
      await assertExplains(model, reference, options);
    }
  });
}

/** Squares of eight pixels, each of one colour. */
function patchwork(size: number): { data: Uint8Array; width: number; height: number } {
  const data = Uint8Array.from({ length: 4 * size * size }, (_, i) => {
    const [x, y] = [Math.floor(i / 4) % size, Math.floor(i / 4 / size)];
    const square = 7 * Math.floor(y / 8) + 3 * Math.floor(x / 8) + (i % 4);
    return i % 4 === 3 ? 255 : (square * 53) % 256;
  });
  return { data, width: size, height: size };
}

const LAYERS = [
  'block1_conv1',
  'block1_conv2',
  'block1_pool',
  'block2_conv1',
  'block3_conv2',
  'block4_conv3',
  'block4_pool',
  'block5_conv1',
  'block5_conv3',
  'block5_pool',
] as const;

const AT_THE_INPUT = METHODS.filter((method) => !takesLayer(METHOD_ROWS[method]));
const SMOOTHABLE_AT_THE_INPUT = AT_THE_INPUT.filter((method) => !takesPath(METHOD_ROWS[method]));
/**
 * A unit that lies within float32's rounding of zero at one of the points has its ReLU open for one of the two and closed for
 * the other: at these numbers of steps there is none.
 */
const PATHS: readonly ExplainOptions[] = [
  { steps: 20 },
  { steps: 7, baseline: 'mean', classIndex: 6 },
  { steps: 1, classIndex: 2 },
  { steps: 13, classIndex: 5 },
];
const WITHOUT_ALPHA = ['hires-cam', 'xgrad-cam', 'layer-cam'] as const;
const NOISES: readonly ExplainOptions[] = [
  {},
  { ...SMOOTH, sampleWeights: 'score' },
  { ...SMOOTH, activations: 'mean' },
];

describe('an explanation is the oracle’s', () => {
  for (const layout of ['keras', 'torchvision'] as const) {
    explains(
      'of every kind of layer',
      VGG16,
      layout,
      (['grad-cam', 'grad-cam++'] as const).flatMap((method) => LAYERS.map((layerName) => ({ method, layerName }))),
    );
    explains(
      'of every kind of layer',
      VGG11,
      layout,
      ['block1_conv1', 'block2_pool', 'block4_conv2', 'block5_conv2', 'block5_pool'].flatMap((layerName) => [
        { method: 'grad-cam', layerName },
        { ...SMOOTH, layerName },
      ]),
    );
  }

  explains(
    'for any number of samples, weight and numerator',
    VGG16,
    'torchvision',
    ['block1_conv1', 'block3_conv2', 'block4_pool', 'block5_conv3'].flatMap((layerName) =>
      [0, 1, 3].flatMap((nSamples) =>
        (['uniform', 'score'] as const).flatMap((sampleWeights) =>
          (['second', 'first'] as const).map((alphaNumerator) => ({
            ...SMOOTH,
            layerName,
            nSamples,
            sampleWeights,
            alphaNumerator,
          })),
        ),
      ),
    ),
  );

  for (const layout of ['keras', 'torchvision'] as const) {
    explains(
      'by the methods without α, with and without noise',
      VGG16,
      layout,
      // In turns, so that every third case still has each method with each kind of noise.
      LAYERS.flatMap((layerName, l) =>
        WITHOUT_ALPHA.map((_, m) => ({
          ...NOISES[(Math.floor(l / 3) + m) % 3],
          method: WITHOUT_ALPHA[(l + m) % 3],
          layerName,
        })),
      ),
    );
  }

  explains(
    'by the feature maps alone',
    VGG16,
    'torchvision',
    LAYERS.flatMap((layerName): ExplainOptions[] => [
      { method: 'eigen-cam', layerName },
      { ...SMOOTH, method: 'eigen-cam', layerName, activations: 'mean' },
    ]),
  );

  explains(
    'by the scores of masked copies',
    NARROW_VGG11,
    'torchvision',
    ['block5_conv2', 'block4_pool', 'block2_pool'].flatMap((layerName): ExplainOptions[] => [
      { method: 'score-cam', layerName },
      { method: 'score-cam', layerName, classIndex: 3, filters: [3, 0] },
      { method: 'score-cam', layerName, classIndex: 8, subset: [[1, 1]] },
    ]),
  );
  explains(
    'by the scores without each of the maps',
    NARROW_VGG11,
    'keras',
    ['block5_pool', 'block5_conv2', 'block3_conv1', 'block1_conv1'].flatMap((layerName): ExplainOptions[] => [
      { method: 'ablation-cam', layerName },
      { method: 'ablation-cam', layerName, classIndex: 3, filters: [1, 0], subset: [[1, 1]] },
    ]),
  );

  explains(
    'with feature maps averaged over the samples',
    VGG16,
    'keras',
    ['block2_conv1', 'block5_conv3'].flatMap((layerName) =>
      [0, 1, 3].map((nSamples) => ({ ...SMOOTH, layerName, nSamples, activations: 'mean' })),
    ),
  );

  explains('with noise of any size and seed', VGG16, 'torchvision', [
    { nSamples: 2, stdDev: 0 },
    { nSamples: 2, stdDev: 0.01, noiseScale: 'absolute' },
    { nSamples: 2, stdDev: 1.5, noiseScale: 'absolute' },
    { nSamples: 2, stdDev: 1, noiseScale: 'relative' },
    { nSamples: 2, seed: 1 },
    { nSamples: 2, seed: 2 ** 32 },
    { nSamples: 2, seed: Number.MAX_SAFE_INTEGER },
  ]);
  explains('with noise in the units of 0 … 255', VGG16, 'keras', [
    { nSamples: 2, stdDev: 25, noiseScale: 'absolute', layerName: 'block4_conv3' },
    { nSamples: 2, stdDev: 0.3, noiseScale: 'relative', layerName: 'block4_conv3' },
  ]);

  explains(
    'for every class',
    VGG16,
    'torchvision',
    Array.from({ length: 10 }, (_, classIndex) => ({ method: 'grad-cam++', layerName: 'block4_conv1', classIndex })),
  );

  const layerName = 'block3_conv3';
  explains('of single filters', VGG16, 'torchvision', [
    { layerName, filters: [0] },
    { layerName, filters: [15, 3, 3, 0] },
    { layerName, filters: [15, 3, 3, 0], combineFilters: 'sum' },
    { layerName, filters: Array.from({ length: 16 }, (_, k) => k), combineFilters: 'sum' },
    { layerName, method: 'grad-cam', filters: [1, 2] },
    { layerName, method: 'grad-cam', filters: [1, 2], combineFilters: 'sum' },
    ...[...WITHOUT_ALPHA, 'eigen-cam' as const].flatMap((method): ExplainOptions[] => [
      { layerName, method, filters: [15, 3, 0] },
      { layerName, method, filters: [15, 3, 3, 0], combineFilters: 'sum' },
    ]),
    { ...SMOOTH, layerName, filters: [7, 8], activations: 'mean' },
  ]);

  // Maps of 8 × 8 cells.
  const corner = [7, 7] as const;
  explains('of a region or of single neurons', VGG16, 'torchvision', [
    // biome-ignore format: a box to a line
    { layerName, region: true, subset: [[1, 2], [4, 6]] },
    // biome-ignore format: a box to a line
    { layerName, region: true, subset: [[4, 2], [1, 6]] },
    // biome-ignore format: a box to a line
    { layerName, region: true, subset: [[0, 0], corner] },
    { layerName, region: true, subset: [corner, corner] },
    { layerName, subset: [corner] },
    // biome-ignore format: cells on a line
    { layerName, subset: [[0, 0], [3, 5], [3, 5], corner] },
    // biome-ignore format: a box to a line
    { ...SMOOTH, layerName, method: 'smooth-grad-cam++', filters: [2, 9], region: true, subset: [[2, 2], [5, 5]] },
    // biome-ignore format: cells on a line
    { layerName, method: 'grad-cam', filters: [2, 9], combineFilters: 'sum', subset: [[2, 2], [5, 5]] },
    ...[...WITHOUT_ALPHA, 'eigen-cam' as const].flatMap((method): ExplainOptions[] => [
      // biome-ignore format: a box to a line
      { layerName, method, region: true, subset: [[1, 2], [4, 6]] },
      // biome-ignore format: cells on a line
      { layerName, method, filters: [2, 9], combineFilters: 'sum', subset: [[2, 2], [5, 5]] },
    ]),
  ]);

  for (const layout of ['keras', 'torchvision'] as const) {
    explains(
      'at the input',
      VGG11,
      layout,
      SMOOTHABLE_AT_THE_INPUT.flatMap((method) => [
        { method },
        { ...SMOOTH, method, classIndex: 3 },
        { ...SMOOTH, method, sampleWeights: 'score' },
      ]),
    );
  }
  explains(
    'at the input',
    VGG16,
    'torchvision',
    SMOOTHABLE_AT_THE_INPUT.map((method) => ({ ...SMOOTH, method, fit: 'pad' })),
  );

  for (const layout of ['keras', 'torchvision'] as const) {
    explains(
      'along a path from a baseline',
      VGG11,
      layout,
      PATHS.map((path) => ({ ...path, method: 'integrated-gradients' })),
    );
  }

  explains(
    'at the input, where a layer’s map is',
    VGG16,
    'torchvision',
    ['block1_conv1', 'block3_pool', 'block4_conv2', 'block5_conv3'].flatMap((layerName): ExplainOptions[] => [
      { method: 'guided-grad-cam', layerName },
      { ...SMOOTH, method: 'guided-grad-cam', layerName, sampleWeights: 'score', classIndex: 3 },
      { ...SMOOTH, method: 'guided-grad-cam', layerName, activations: 'mean', classIndex: 7 },
    ]),
  );

  // Areas of one colour: in most windows of the first pools several cells are the largest.
  explains(
    'of a picture full of ties',
    VGG16,
    'torchvision',
    ['block1_conv2', 'block2_conv2', 'block3_conv3'].flatMap((layerName) => [
      { method: 'grad-cam', layerName },
      { method: 'grad-cam++', layerName },
    ]),
    patchwork(32),
  );

  for (const fit of ['squash', 'crop', 'pad'] as const) {
    const options = [{ method: 'grad-cam++', fit, layerName: 'block3_conv1' }] as const;
    explains(`of a large picture, ${fit}`, VGG16, 'torchvision', options, noisyPicture(2, 97, 61));
    explains(`of a small picture, ${fit}`, VGG16, 'keras', options, noisyPicture(3, 11, 23));
  }

  explains('with batch normalisation', smallVgg({ name: 'vgg11', batchNorm: true, seed: 12 }), 'torchvision', [
    { method: 'grad-cam', layerName: 'block1_conv1' },
    { method: 'grad-cam++', layerName: 'block4_conv1' },
    { ...SMOOTH, layerName: 'block5_conv2' },
  ]);
});

describe('an explanation is the oracle’s whatever the size of the numbers', () => {
  // The weights of 16 layers, each scaled: activations from 1e-21 to 1e30, gradients likewise. Where they are huge α is
  // D2 / (G·D3), and what cancels in D3 magnifies rounding: 9 times with this seed, 70 times with the other.
  for (const [scale, seed] of [
    [0.03, SMOOTH.seed],
    [20, SMOOTH.seed],
    [60, 1],
  ] as const) {
    explains(`with every layer times ${scale}`, smallVgg({ scale: () => scale }), 'torchvision', [
      ...AT_THE_INPUT.map((method) => ({ method, steps: 3 })),
      ...['block1_conv1', 'block3_conv3', 'block5_conv3'].flatMap((layerName) => [
        { method: 'grad-cam' as const, layerName },
        { method: 'grad-cam++' as const, layerName },
        ...[...WITHOUT_ALPHA, 'eigen-cam' as const].map((method) => ({ method, layerName })),
        { ...SMOOTH, seed, layerName },
      ]),
    ]);
  }
});

describe('an explanation is the oracle’s with every kernel', () => {
  // One device at a time: each compiles its own kernels.
  for (const forceVariant of thorough ? ['winograd-2', 'winograd-4', 'implicit-gemm-32x64'] : ['winograd-4']) {
    gpuTest(forceVariant, async () => {
      const gpu = asForced(await Gpu.request({ adapter: await testAdapter(), forceVariant }));
      try {
        using model = await loadSmallVgg(gpu, VGG11, 'torchvision');
        for (const layerName of ['block1_conv1', 'block4_conv2', 'block5_pool']) {
          await assertExplains(
            model,
            { vgg: VGG11, layout: 'torchvision', picture: PICTURE },
            { ...SMOOTH, layerName },
          );
        }
        const reference = { vgg: VGG11, layout: 'torchvision', picture: PICTURE } as const;
        for (const method of ['smooth-grad', 'guided-backprop', 'deconvnet'] as const) {
          await assertExplains(model, reference, { ...SMOOTH, method });
        }
      } finally {
        gpu.dispose();
      }
    });
  }
});

describe('an even picture', () => {
  /** White, with three rectangles of one colour each: most cells of early layers tie with their neighbours. */
  const rectangles = () => {
    const size = 96;
    const data = new Uint8Array(4 * size * size).fill(255);
    const paint = (left: number, top: number, width: number, height: number, color: readonly number[]) => {
      for (let y = top; y < top + height; y++) {
        for (let x = left; x < left + width; x++) data.set(color, 4 * (y * size + x));
      }
    };
    paint(17, 21, 34, 26, [200, 30, 30]);
    paint(56, 51, 21, 30, [20, 90, 200]);
    paint(26, 60, 13, 14, [250, 200, 0]);
    return { data, width: size, height: size };
  };

  const ALL_LAYERS = ['block1_conv1', 'block2_conv1', 'block3_conv2', 'block4_conv2', 'block5_conv2'];
  /** Behind the first layer every pooling has its say. */
  const EVEN_LAYERS = thorough ? ALL_LAYERS : ['block1_conv1', 'block4_conv2'];

  // The oracle's ties are exact; a kernel that rounds equal sums differently sends the gradient elsewhere.
  for (const forceVariant of [undefined, 'winograd-2', 'winograd-4', ...(thorough ? ['implicit-gemm-32x64'] : [])]) {
    gpuTest(`has the oracle’s map, its ties told as they are: ${forceVariant ?? 'by rule'}`, async () => {
      const gpu = asForced(await Gpu.request({ adapter: await testAdapter(), forceVariant }));
      try {
        const vgg = smallVgg({ name: 'vgg11', inputSize: 96, channels: 6, seed: 5 });
        using model = await loadSmallVgg(gpu, vgg, 'torchvision');
        for (const layerName of EVEN_LAYERS) {
          const reference = { vgg, layout: 'torchvision', picture: rectangles() } as const;
          await assertExplains(model, reference, { method: 'layer-cam', layerName });
        }
      } finally {
        gpu.dispose();
      }
    });
  }
});
