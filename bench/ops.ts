/** Every op at the shapes that VGG-16 gives it, by the op's stem; a new op needs its row here. */

import { USUAL_CONVENTIONS } from '../src/conventions.ts';
import type { BufferSlice } from '../src/gpu/buffers.ts';
import type { Dispatch } from '../src/gpu/encoder.ts';
import { fitPicture, viewOf } from '../src/image/fit.ts';
import { type Convention, elementsOf, Graph, type GraphNode } from '../src/network/graph.ts';
import { convShape, denseShape, flattenShape, poolShape } from '../src/network/shapes.ts';
import { vgg } from '../src/network/vgg.ts';
import { ablate } from '../src/ops/ablate.ts';
import { argmax } from '../src/ops/argmax.ts';
import { attribution } from '../src/ops/attribution.ts';
import { classMoments } from '../src/ops/class-moments.ts';
import type { Direction } from '../src/ops/common.ts';
import {
  chooseImplicitGemmTile,
  halfGemmConv2d,
  halfGemmScratchWords,
  IMPLICIT_GEMM_TILE_NAMES,
  implicitGemmConv2d,
} from '../src/ops/conv2d.implicit-gemm.ts';
import type { Conv2dOutput } from '../src/ops/conv2d.output.ts';
import {
  type Conv2dInput,
  type Conv2dShape,
  conv2d,
  conv2dFlops,
  conv2dGradInput,
  conv2dOutput,
  packedLength,
  transposedShape,
  transposeWeights,
  weightsBytes,
} from '../src/ops/conv2d.ts';
import {
  type WinogradTile,
  winogradConv2d,
  winogradConv2dGradInput,
  winogradFilterLength,
  winogradFilters,
  winogradScratch,
} from '../src/ops/conv2d.winograd.ts';
import {
  type DenseShape,
  dense,
  denseGradInput,
  denseScratch,
  type MatrixStorage,
  matrixSlices,
  packedBytes,
} from '../src/ops/dense.ts';
import { flatten, flattenGradInput } from '../src/ops/flatten.ts';
import { globalAveragePool, globalAveragePoolGradInput } from '../src/ops/global-average-pool.ts';
import { gradientMap, map } from '../src/ops/map.ts';
import { MASK_RANGE_FLOATS, maskInput, maskRanges } from '../src/ops/mask-input.ts';
import { maskedScores, maskedScoreWeights, scoreDropWeights } from '../src/ops/masked-scores.ts';
import { maxpool, maxpoolCodeWords, maxpoolGradInput } from '../src/ops/maxpool.ts';
import { decodeMoments } from '../src/ops/moments.decode.ts';
import { momentWeights, SAMPLE_WEIGHT_FLOATS, scoreDerivatives } from '../src/ops/moments.sample-weights.ts';
import { CLASS_MOMENT_FLOATS, MOMENT_FLOATS, moments, unpooledMoments } from '../src/ops/moments.ts';
import { inputRange, noise } from '../src/ops/noise.ts';
import { oneHot } from '../src/ops/one-hot.ts';
import { overflow } from '../src/ops/overflow.ts';
import { overlay } from '../src/ops/overlay.ts';
import { path } from '../src/ops/path.ts';
import { preprocess, preprocessRowFloats, resizeRows } from '../src/ops/preprocess.ts';
import { reluGradInput, reluMask, reluMaskWords } from '../src/ops/relu.ts';
import { copySample, sampleMean } from '../src/ops/sample-mean.ts';
import { singularVector, singularVectorGramFloats } from '../src/ops/singular-vector.ts';
import { logSoftmaxGradInput } from '../src/ops/softmax.log-grad-input.ts';
import { softmax } from '../src/ops/softmax.ts';
import { upsample } from '../src/ops/upsample.ts';
import { activationShareWeights } from '../src/ops/weights.other.ts';
import { alphaWeights, meanGradientWeights } from '../src/ops/weights.ts';
import type { Workbench } from './workbench.ts';

/** One thing to time. */
export interface OpCase {
  /** What of the op: 'block1_conv2.forward.n4'. */
  readonly name: string;
  readonly dispatches: readonly Dispatch[];
  /** Arithmetic, multiply and add counted as two, whatever the kernel does to have less of it. */
  readonly flops?: number;
  /** Bytes that any kernel must read and write. */
  readonly bytes?: number;
}

/** Makes an op's cases; their buffers are the bench's and go with it. */
export type OpBench = (bench: Workbench) => OpCase[];

const TABLE = vgg('vgg16');
const VGG16 = new Graph(TABLE);
/** Makers of weights files, who store fully connected layers in different orders, and in these number formats among others. */
const MATRICES: readonly { convention: Convention; storage: MatrixStorage }[] = [
  { convention: 'keras', storage: { dtype: 'float32' } },
  { convention: 'keras', storage: { dtype: 'uint8', scale: 1 / 128, min: -1 } },
  { convention: 'torch', storage: { dtype: 'float32' } },
  { convention: 'torch', storage: { dtype: 'float16' } },
];
const CLASSES = elementsOf(VGG16.shape(VGG16.logits.name));
const INPUT = elementsOf(VGG16.input.shape);
const INPUT_SIDE = { width: VGG16.input.shape[2], height: VGG16.input.shape[1] };
/** A picture as cameras and web pages have it. */
const PICTURE = { width: 640, height: 480 };
/** The ends of the range of layers that can be explained: many small maps, a few large ones. */
const EXPLAINED = ['block5_conv3', 'block1_conv1'] as const;

const WINOGRAD_TILES: readonly WinogradTile[] = [2, 4];
/** WebGPU's default limit of a binding. */
const SCRATCH_BYTES = 128 * 2 ** 20;

export const OPS: Readonly<Record<string, OpBench>> = {
  ablate: (bench) => {
    const [layer] = EXPLAINED;
    const { maps, cells } = featureMaps(layer);
    const samples = bench.samplesOf(maps * cells);
    const buffers = { activations: bench.random(maps * cells), y: bench.empty(samples * maps * cells) };
    const dispatches = [ablate({ maps, cells }, { first: 0, count: samples }, buffers)];
    return [{ name: `${layer}.n${samples}`, dispatches, bytes: bytesOf(buffers.activations, buffers.y) }];
  },

  argmax: (bench) => {
    const buffers = { x: bench.random(CLASSES), index: bench.empty(1) };
    return [{ name: 'logits', dispatches: [argmax(CLASSES, 0, buffers)], bytes: bytesOf(buffers.x) }];
  },

  attribution: (bench) => {
    const [channels, height, width] = VGG16.input.shape;
    const shape = { channels, cells: height * width, samples: bench.samples };
    const buffers = {
      sums: bench.random(INPUT * MOMENT_FLOATS),
      signed: bench.empty(INPUT),
      map: bench.empty(shape.cells),
    };
    const factor = { x: bench.random(INPUT), baseline: bench.random(channels) };
    return [
      {
        name: 'gradient-x-input',
        dispatches: [attribution(shape, 'sum', buffers, factor)],
        bytes: bytesOf(...Object.values(buffers), factor.x),
      },
    ];
  },

  'class-moments': (bench) => {
    return EXPLAINED.map((layer) => {
      const { maps, cells } = featureMaps(layer);
      const samples = bench.samplesOf(maps * cells * CLASS_MOMENT_FLOATS);
      const buffers = {
        grad: bench.random(samples * maps * cells),
        probabilities: bench.filled(new Float32Array(samples).fill(1 / CLASSES)),
        moments: bench.empty(samples * maps * cells * CLASS_MOMENT_FLOATS),
      };
      const dispatches = [classMoments(maps * cells, samples, { ...buffers, first: 0, restart: false })];
      return {
        name: `${layer}.n${samples}`,
        dispatches,
        bytes: bytesOf(buffers.grad, buffers.moments, buffers.moments),
      };
    });
  },

  conv2d: (bench) =>
    distinctConvolutions().flatMap(([layer, shape], i) => [
      ...convForward(bench, layer, shape),
      convGradInput(bench, layer, shape),
      convTranspose(bench, layer, shape),
      // The first convolution's input, the picture, has too few channels for Winograd.
      ...(i === 0 ? [] : WINOGRAD_TILES.flatMap((tile) => winograd(bench, layer, shape, tile))),
    ]),

  dense: (bench) =>
    MATRICES.flatMap(({ convention, storage }) =>
      layersOf('dense').flatMap((node) =>
        denseCases(bench, `${node.name}.${convention}.${storage.dtype}`, denseShape(VGG16, node, convention), storage),
      ),
    ),

  flatten: (bench) => {
    const [node] = layersOf('flatten');
    const shape = flattenShape(VGG16, node!);
    const { samples } = bench;
    const count = samples * elementsOf(VGG16.shape(node!.name));
    const [a, b] = [bench.random(count), bench.random(count)];
    return [
      { name: `forward.n${samples}`, dispatches: [flatten(shape, samples, { x: a, y: b })], bytes: bytesOf(a, b) },
      {
        name: `grad-input.n${samples}`,
        dispatches: [flattenGradInput(shape, samples, { gradY: b, gradX: a })],
        bytes: bytesOf(a, b),
      },
    ];
  },

  'global-average-pool': (bench) =>
    ['block5_conv3', 'block5_pool'].flatMap((layer) => {
      const { samples } = bench;
      const [channels, height, width] = VGG16.shape(layer);
      const shape = { channels, height, width };
      const x = bench.random(samples * channels * height * width);
      const y = bench.random(samples * channels);
      return [
        {
          name: `${layer}.forward.n${samples}`,
          dispatches: [globalAveragePool(shape, samples, { x, y })],
          bytes: bytesOf(x, y),
        },
        {
          name: `${layer}.grad-input.n${samples}`,
          dispatches: [globalAveragePoolGradInput(shape, samples, { gradY: y, gradX: x })],
          bytes: bytesOf(x, y),
        },
      ];
    }),

  map: (bench) =>
    EXPLAINED.flatMap((layer) => {
      const { maps, cells } = featureMaps(layer);
      const weights = bench.random(maps);
      const sums = bench.random(maps * cells * MOMENT_FLOATS);
      const buffers = {
        activations: bench.random(maps * cells),
        filters: bench.filled(Uint32Array.from({ length: maps }, (_, k) => k)),
        subset: bench.filled(new Uint32Array(cells).fill(1)),
        signed: bench.empty(cells),
        rectified: bench.empty(cells),
      };
      const shape = { maps: 1, filtersPerMap: maps, cells, samples: bench.samples };
      return [
        {
          name: `${layer}.per-map`,
          dispatches: [map(shape, { ...buffers, weights })],
          bytes: bytesOf(weights, ...Object.values(buffers)),
        },
        {
          name: `${layer}.gradient`,
          dispatches: [gradientMap(shape, 'positive', { ...buffers, sums })],
          bytes: bytesOf(sums, ...Object.values(buffers)),
        },
      ];
    }),

  'mask-input': (bench) =>
    EXPLAINED.flatMap((layer) => {
      const { samples } = bench;
      const [maps, height, width] = VGG16.shape(layer);
      const [channels, outHeight, outWidth] = VGG16.input.shape;
      const shape = { maps, height, width, channels, outHeight, outWidth };
      const activations = bench.random(maps * height * width);
      const ranges = bench.filled(Float32Array.from({ length: maps * MASK_RANGE_FLOATS }, (_, i) => i % 2));
      const x = bench.random(INPUT);
      const y = bench.empty(samples * INPUT);
      return [
        {
          name: `${layer}.ranges`,
          dispatches: [maskRanges(shape, { activations, ranges })],
          bytes: bytesOf(activations, ranges),
        },
        {
          name: `${layer}.copies.n${samples}`,
          dispatches: [maskInput(shape, { first: 0, count: samples }, { x, activations, ranges, y })],
          bytes: bytesOf(x, y),
        },
      ];
    }),

  'masked-scores': (bench) => {
    const { samples } = bench;
    const [layer] = EXPLAINED;
    const { maps } = featureMaps(layer);
    const logits = bench.random(samples * CLASSES);
    const index = bench.filled(Uint32Array.of(7));
    const ranges = bench.filled(Float32Array.from({ length: maps * MASK_RANGE_FLOATS }, (_, i) => i % 2));
    const [scores, weights] = [bench.random(maps), bench.empty(maps)];
    return [
      {
        name: `copies.n${samples}`,
        dispatches: [maskedScores(CLASSES, { first: 0, count: samples }, { logits, index, scores })],
      },
      {
        name: `${layer}.softmax`,
        dispatches: [maskedScoreWeights(maps, { scores, ranges, weights })],
        bytes: bytesOf(scores, ranges, weights),
      },
      {
        name: `${layer}.drop`,
        dispatches: [scoreDropWeights(maps, { scores, logits, index, weights })],
        bytes: bytesOf(scores, weights),
      },
    ];
  },

  maxpool: (bench) =>
    layersOf('maxpool').flatMap((node) => {
      const shape = poolShape(VGG16, node);
      const elements = elementsOf(VGG16.shape(node.inputs[0]!));
      const samples = bench.samplesOf(elements);
      const x = bench.random(samples * elements);
      const y = bench.random(samples * elementsOf(VGG16.shape(node.name)));
      const codes = bench.empty(samples * maxpoolCodeWords(shape));
      const gradInput = maxpoolGradInput(shape, samples, { gradY: y, codes, gradX: x, rectified: true });
      return [
        {
          name: `${node.name}.forward.n${samples}`,
          dispatches: [maxpool(shape, samples, { x, y, codes })],
          bytes: bytesOf(x, y, codes),
        },
        { name: `${node.name}.grad-input.n${samples}`, dispatches: [gradInput], bytes: bytesOf(x, y, codes) },
      ];
    }),

  moments: (bench) => {
    const cases = EXPLAINED.flatMap((layer): OpCase[] => {
      const { maps, cells } = featureMaps(layer);
      const elements = maps * cells;
      const ofLogit = bench.samplesOf(elements);
      const ofSoftmax = bench.samplesOf(elements * CLASS_MOMENT_FLOATS);
      const [grad, sums] = [bench.random(ofLogit * elements), bench.empty(elements * MOMENT_FLOATS)];
      const classMoments = bench.random(ofSoftmax * elements * CLASS_MOMENT_FLOATS);
      return [
        {
          name: `${layer}.n${ofLogit}`,
          dispatches: [moments(elements, ofLogit, { grad, sums, restart: true })],
          bytes: bytesOf(grad, sums),
        },
        {
          name: `${layer}.softmax.n${ofSoftmax}`,
          dispatches: [moments(elements, ofSoftmax, { grad, sums, classMoments, restart: true })],
          bytes: (ofSoftmax / ofLogit) * bytesOf(grad) + bytesOf(classMoments, sums),
        },
      ];
    });
    const pools = layersOf('maxpool');
    const unpooled = [pools.at(-1)!, pools[0]!].map((node): OpCase => {
      const shape = poolShape(VGG16, node);
      const elements = elementsOf(VGG16.shape(node.name));
      const samples = bench.samplesOf(elements);
      const gradY = bench.random(samples * elements);
      const codes = bench.filled(new Uint32Array(samples * maxpoolCodeWords(shape)).fill(0x3210_3210));
      const sums = bench.empty(elementsOf(VGG16.shape(node.inputs[0]!)) * MOMENT_FLOATS);
      const dispatches = [unpooledMoments(shape, samples, { gradY, codes, sums, restart: true })];
      return { name: `${node.inputs[0]!}.unpooled.n${samples}`, dispatches, bytes: bytesOf(gradY, codes, sums) };
    });
    const { samples } = bench;
    const scores = {
      logits: bench.random(samples * CLASSES),
      index: bench.filled(Uint32Array.of(7)),
      sampleWeights: bench.empty(SAMPLE_WEIGHT_FLOATS * samples),
    };
    const sampleWeights = momentWeights(CLASSES, samples, { ...scores, largest: bench.empty(1), restart: true });
    const decoded = EXPLAINED.map((layer): OpCase => {
      const { maps, cells } = featureMaps(layer);
      const elements = maps * cells;
      const sums = bench.random(elements * MOMENT_FLOATS);
      const planes = { first: bench.empty(elements), second: bench.empty(elements), third: bench.empty(elements) };
      return {
        name: `${layer}.decode`,
        dispatches: [decodeMoments(elements, samples, { sums, ...planes })],
        bytes: bytesOf(sums, ...Object.values(planes)),
      };
    });
    return [
      ...cases,
      ...unpooled,
      ...decoded,
      { name: `sample-weights.n${samples}`, dispatches: [sampleWeights] },
      { name: `sigmoid.n${samples}`, dispatches: [scoreDerivatives('sigmoid', CLASSES, samples, scores)] },
      { name: `softmax.n${samples}`, dispatches: [scoreDerivatives('softmax', CLASSES, samples, scores)] },
    ];
  },

  noise: (bench) => {
    const { samples } = bench;
    const x = bench.random(INPUT);
    const range = bench.filled(Float32Array.of(-1, 1));
    const y = bench.empty((samples + 1) * INPUT);
    const rows = { firstSample: 0, noisy: samples, clean: 1 };
    return [
      { name: 'range', dispatches: [inputRange(INPUT, { x, range })], bytes: bytesOf(x) },
      {
        name: `copies.n${samples}`,
        dispatches: [noise(INPUT, { seed: 0, stdDev: 0.3, relative: true }, rows, { x, range, y })],
        bytes: bytesOf(x, y),
      },
    ];
  },

  'one-hot': (bench) => {
    const { samples } = bench;
    const buffers = { index: bench.filled(Uint32Array.of(7)), y: bench.empty(samples * CLASSES) };
    const dispatches = [oneHot(CLASSES, samples, buffers)];
    return [{ name: `logits.n${samples}`, dispatches, bytes: bytesOf(buffers.y) }];
  },

  overflow: (bench) => {
    const { samples } = bench;
    const buffers = { x: bench.random(samples * CLASSES), flag: bench.filled(Uint32Array.of(0)) };
    const dispatches = [overflow(samples * CLASSES, buffers)];
    return [{ name: `logits.n${samples}`, dispatches, bytes: bytesOf(buffers.x) }];
  },

  overlay: (bench) => {
    const [, mapHeight, mapWidth] = VGG16.shape(EXPLAINED[0]);
    const buffers = {
      picture: bench.random(PICTURE.width * PICTURE.height),
      heat: bench.random(mapHeight * mapWidth),
      colors: bench.random(256),
      result: bench.empty(PICTURE.width * PICTURE.height),
    };
    const shape = {
      width: PICTURE.width,
      rows: PICTURE.height,
      firstRow: 0,
      mapHeight,
      mapWidth,
      mapIndex: 0,
      view: viewOf(fitPicture('squash', PICTURE, INPUT_SIDE)),
      low: 0,
      high: 1,
      opacity: 0.5,
    };
    return [
      {
        name: `${PICTURE.width}x${PICTURE.height}`,
        dispatches: [overlay(shape, buffers)],
        bytes: bytesOf(buffers.picture, buffers.result),
      },
    ];
  },

  path: (bench) => {
    const [channels, height, width] = VGG16.input.shape;
    const { samples } = bench;
    const buffers = { x: bench.random(INPUT), baseline: bench.random(channels), y: bench.empty((samples + 1) * INPUT) };
    const rows = { firstPoint: 0, points: samples, clean: 1 };
    const dispatches = [path({ channels, cells: height * width, steps: samples }, rows, buffers)];
    return [{ name: `points.n${samples}`, dispatches, bytes: bytesOf(buffers.x, buffers.y) }];
  },

  preprocess: (bench) => {
    const shape = fitPicture('squash', PICTURE, INPUT_SIDE);
    const pixels = bench.random(PICTURE.width * PICTURE.height);
    const rows = bench.empty(preprocessRowFloats(shape));
    const input = bench.empty(INPUT);
    const dispatches = [
      resizeRows(shape, { firstRow: 0, rows: PICTURE.height }, { pixels, rows }),
      preprocess(shape, TABLE.preprocessing.torch, { rows, input }),
    ];
    return [{ name: `${PICTURE.width}x${PICTURE.height}`, dispatches, bytes: bytesOf(pixels, rows, rows, input) }];
  },

  relu: (bench) =>
    ['block1_conv1', 'block5_conv2'].flatMap((layer) => {
      const [channels, height, width] = VGG16.shape(layer);
      const shape = { channels, height, width };
      const elements = channels * height * width;
      const samples = bench.samplesOf(elements);
      const x = bench.random(samples * elements);
      const mask = bench.empty(samples * reluMaskWords(shape));
      return [
        {
          name: `${layer}.mask.n${samples}`,
          dispatches: [reluMask(shape, samples, { x, mask })],
          bytes: bytesOf(x, mask),
        },
        {
          name: `${layer}.grad-input.n${samples}`,
          dispatches: [reluGradInput(shape, samples, { mask, grad: x })],
          bytes: bytesOf(x, x, mask),
        },
      ];
    }),

  'sample-mean': (bench) =>
    EXPLAINED.flatMap((layer) => {
      const { maps, cells } = featureMaps(layer);
      const samples = bench.samplesOf(maps * cells);
      const buffers = { x: bench.random(samples * maps * cells), total: bench.empty(maps * cells) };
      const rows = { first: 0, samples, keep: 0, scale: 1 / samples };
      return [
        {
          name: `${layer}.mean.n${samples}`,
          dispatches: [sampleMean(maps * cells, rows, buffers)],
          bytes: bytesOf(buffers.x, buffers.total),
        },
        {
          name: `${layer}.copy`,
          dispatches: [copySample(maps * cells, 0, buffers)],
          bytes: bytesOf(buffers.total, buffers.total),
        },
      ];
    }),

  'singular-vector': (bench) =>
    EXPLAINED.map((layer) => {
      const { maps, cells } = featureMaps(layer);
      // Of both signs: the iteration hardly converges and takes all its steps.
      const activations = bench.random(maps * cells);
      const dispatches = singularVector(
        { maps, cells },
        {
          activations,
          vector: bench.empty(maps),
          largest: bench.filled(Uint32Array.of(0)),
          gram: bench.empty(singularVectorGramFloats({ maps, cells })),
          product: bench.empty(maps),
          ended: bench.empty(1),
        },
      );
      return { name: layer, dispatches, flops: maps * (maps + 1) * cells, bytes: bytesOf(activations) };
    }),

  softmax: (bench) => {
    const { samples } = bench;
    const buffers = { logits: bench.random(CLASSES), probabilities: bench.empty(CLASSES) };
    const log = {
      logits: bench.random(samples * CLASSES),
      index: bench.filled(Uint32Array.of(7)),
      y: bench.empty(samples * CLASSES),
    };
    return [
      { name: 'logits', dispatches: [softmax(CLASSES, 1, buffers)], bytes: bytesOf(...Object.values(buffers)) },
      {
        name: `log-grad-input.n${samples}`,
        dispatches: [logSoftmaxGradInput(CLASSES, samples, log)],
        bytes: bytesOf(log.logits, log.y),
      },
    ];
  },

  upsample: (bench) => {
    const [, height, width] = VGG16.shape(EXPLAINED[0]);
    const out = { outHeight: INPUT_SIDE.height, outWidth: INPUT_SIDE.width };
    const buffers = { x: bench.random(height * width), y: bench.empty(out.outHeight * out.outWidth) };
    const dispatches = [upsample({ maps: 1, height, width }, out, buffers)];
    return [{ name: EXPLAINED[0], dispatches, bytes: bytesOf(buffers.x, buffers.y) }];
  },

  weights: (bench) =>
    EXPLAINED.flatMap((layer) => {
      const shape = { ...featureMaps(layer), samples: bench.samples };
      const sums = bench.random(shape.maps * shape.cells * MOMENT_FLOATS);
      const activations = bench.random(shape.maps * shape.cells);
      const zeroCells = bench.filled(Uint32Array.of(0));
      const weights = bench.empty(shape.maps);
      const alpha = alphaWeights(shape, USUAL_CONVENTIONS, { sums, activations, zeroCells, weights });
      return [
        {
          name: `${layer}.mean-gradient`,
          dispatches: [meanGradientWeights(shape, { sums, weights })],
          bytes: bytesOf(sums, weights),
        },
        {
          name: `${layer}.activation-share`,
          dispatches: [activationShareWeights(shape, { sums, activations, weights })],
          bytes: bytesOf(sums, activations, weights),
        },
        { name: `${layer}.alpha`, dispatches: [alpha], bytes: bytesOf(sums, activations, weights) },
      ];
    }),
};

/** By the kernel that conv2d() takes, and by each tile of the one that only GPUs are quick with. */
function convForward(bench: Workbench, layer: string, shape: Conv2dShape): OpCase[] {
  const { gpu } = bench;
  const samples = convSamples(bench, shape);
  const out = conv2dOutput(shape);
  const buffers = {
    x: bench.random(samples * shape.inChannels * shape.height * shape.width),
    weights: bench.random(packedLength(shape)),
    bias: bench.random(shape.outChannels),
    y: bench.empty(samples * shape.outChannels * out.height * out.width),
    relu: true,
  };
  const tiles = gpu.adapterInfo.isFallback ? [chooseImplicitGemmTile(shape, samples)] : IMPLICIT_GEMM_TILE_NAMES;
  const flops = samples * conv2dFlops(shape);
  const bytes = bytesOf(buffers.x, buffers.weights, buffers.y);
  return [
    { name: `${layer}.forward.n${samples}`, dispatches: [conv2d(gpu.traits, shape, samples, buffers)], flops, bytes },
    ...tiles.map((tile) => ({
      name: `${layer}.forward.implicit-gemm-${tile}.n${samples}`,
      dispatches: [implicitGemmConv2d(shape, samples, tile, buffers)],
      flops,
      bytes,
    })),
    ...halfForward(bench, layer, shape, samples, buffers),
  ];
}

function convSamples(bench: Workbench, shape: Conv2dShape): number {
  const out = conv2dOutput(shape);
  return bench.samplesOf(
    Math.max(shape.inChannels * shape.height * shape.width, shape.outChannels * out.height * out.width),
  );
}

/** In float16, on GPUs that have it: processors emulate it. */
function halfForward(
  bench: Workbench,
  layer: string,
  shape: Conv2dShape,
  samples: number,
  buffers: Conv2dInput & Conv2dOutput,
): OpCase[] {
  const { gpu } = bench;
  if (gpu.adapterInfo.isFallback || !gpu.features.has('shader-f16')) return [];
  // 1/4 and 3/8 in turn.
  const words = new Uint32Array(weightsBytes(shape, 'float16') / 4).fill(0x3600_3400);
  const weights = { ...bench.filled(words), dtype: 'float16', greatest: 3 / 8 } as const;
  const magnitudes = bench.empty(samples * halfGemmScratchWords().magnitudes);
  return IMPLICIT_GEMM_TILE_NAMES.map((tile) => ({
    name: `${layer}.forward.half-gemm-${tile}.n${samples}`,
    dispatches: halfGemmConv2d(shape, samples, tile, { ...buffers, weights, magnitudes }),
    flops: samples * conv2dFlops(shape),
    bytes: bytesOf(buffers.x, weights, buffers.y),
  }));
}

function convGradInput(bench: Workbench, layer: string, shape: Conv2dShape): OpCase {
  const { gpu } = bench;
  const samples = convSamples(bench, shape);
  const out = conv2dOutput(shape);
  const buffers = {
    gradY: bench.random(samples * shape.outChannels * out.height * out.width),
    weights: bench.random(packedLength(transposedShape(shape))),
    gradX: bench.empty(samples * shape.inChannels * shape.height * shape.width),
  };
  return {
    name: `${layer}.grad-input.n${samples}`,
    dispatches: [conv2dGradInput(gpu.traits, shape, samples, buffers)],
    flops: samples * conv2dFlops(shape),
    bytes: bytesOf(...Object.values(buffers)),
  };
}

function convTranspose(bench: Workbench, layer: string, shape: Conv2dShape): OpCase {
  const weights = bench.random(packedLength(shape));
  const transposed = bench.empty(packedLength(transposedShape(shape)));
  const dispatches = [transposeWeights(shape, { weights, transposed })];
  return { name: `${layer}.transpose-weights`, dispatches, bytes: bytesOf(weights, transposed) };
}

function winograd(bench: Workbench, layer: string, shape: Conv2dShape, tile: WinogradTile): OpCase[] {
  const { gpu } = bench;
  const samples = convSamples(bench, shape);
  const scratch = (direction: Direction) => {
    const { words, growsWithSamples } = winogradScratch(gpu.traits, shape, tile, direction);
    // As many samples at a time as a binding of WebGPU's default limits holds.
    const most = Math.max(1, Math.floor(SCRATCH_BYTES / (4 * Math.max(words.patches, words.products))));
    const rows = growsWithSamples ? Math.min(samples, most) : 1;
    return { patches: sized(bench.empty(rows * words.patches)), products: sized(bench.empty(rows * words.products)) };
  };
  const weights = bench.random(packedLength(shape));
  const filters = bench.random(winogradFilterLength(shape, tile));
  const x = bench.random(samples * shape.inChannels * shape.height * shape.width);
  const y = bench.random(samples * shape.outChannels * shape.height * shape.width);
  const bias = bench.random(shape.outChannels);
  const forward = { filters, ...scratch('forward'), x, y, bias, relu: true };
  const backward = { filters, ...scratch('grad-input'), gradY: y, gradX: x };
  const kernel = `winograd${tile}`;
  // What any kernel must move: Winograd's filters and what lies between its stages are its own affair.
  const work = { flops: samples * conv2dFlops(shape), bytes: bytesOf(x, weights, y) };
  return [
    {
      name: `${layer}.forward.${kernel}.n${samples}`,
      dispatches: winogradConv2d(gpu.traits, shape, samples, tile, forward),
      ...work,
    },
    {
      name: `${layer}.grad-input.${kernel}.n${samples}`,
      dispatches: winogradConv2dGradInput(gpu.traits, shape, samples, tile, backward),
      ...work,
    },
    {
      name: `${layer}.${kernel}.filters`,
      dispatches: [winogradFilters(shape, tile, { weights, filters })],
      bytes: bytesOf(weights, filters),
    },
  ];
}

function sized({ buffer }: BufferSlice) {
  return { buffer, size: buffer.size };
}

function denseCases(bench: Workbench, name: string, shape: DenseShape, storage: MatrixStorage): OpCase[] {
  const { gpu, samples } = bench;
  const { maxBufferSize, maxStorageBufferBindingSize } = gpu.limits;
  const maxBytes = Math.min(maxBufferSize, maxStorageBufferBindingSize);
  const slices = matrixSlices(shape, storage.dtype, maxBytes).map((slice) => ({
    ...slice,
    // Numbers of whatever format these bits are.
    weights: bench.random(packedBytes(shape, storage.dtype, slice.rows) / 4),
  }));
  const matrix = { storage, slices };
  const x = bench.random(samples * shape.inputs);
  const y = bench.random(samples * shape.outputs);
  const bias = bench.random(shape.outputs);
  const scratch = (direction: 'forward' | 'grad-input') => bench.empty(samples * denseScratch(shape, direction));
  const work = {
    flops: 2 * shape.inputs * shape.outputs * samples,
    bytes: bytesOf(x, y, ...slices.map(({ weights }) => weights)),
  };
  return [
    {
      name: `${name}.forward.n${samples}`,
      dispatches: dense(gpu.traits, shape, samples, { x, y, bias, matrix, scratch: scratch('forward') }),
      ...work,
    },
    {
      name: `${name}.grad-input.n${samples}`,
      dispatches: denseGradInput(gpu.traits, shape, samples, {
        gradY: y,
        gradX: x,
        matrix,
        scratch: scratch('grad-input'),
      }),
      ...work,
    },
  ];
}

function layersOf<Op extends GraphNode['op']>(op: Op) {
  return VGG16.nodes.filter((node): node is Extract<GraphNode, { op: Op }> => node.op === op);
}

/** Convolutions with their shapes; of those of the same shape only the first. */
function distinctConvolutions(): [layer: string, shape: Conv2dShape][] {
  const byShape = new Map<string, [string, Conv2dShape]>();
  for (const node of layersOf('conv2d')) {
    const shape = convShape(VGG16, node);
    const key = JSON.stringify(shape);
    if (!byShape.has(key)) byShape.set(key, [node.name, shape]);
  }
  return [...byShape.values()];
}

function featureMaps(layer: string): { maps: number; cells: number } {
  const [maps, height, width] = VGG16.shape(layer);
  return { maps, cells: height * width };
}

/** A slice that is read and written counts twice: name it twice. */
function bytesOf(...slices: readonly BufferSlice[]): number {
  return slices.reduce((total, { size = 0 }) => total + size, 0);
}
