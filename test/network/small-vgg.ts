/**
 * VGGs in miniature with seeded weights: as files of every layout that the library reads, and as the oracle's network.
 * Blocks, names and layouts are stated here anew, from the papers and from what Keras, torchvision and timm write.
 */
import type { Gpu } from '../../src/gpu/gpu.ts';
import { loadModel, type Model } from '../../src/model.ts';
import type { ModelName } from '../../src/network/models.ts';
import { openWeights, type WeightsFile } from '../../src/weights/source.ts';
import { random } from '../harness/random.ts';
import type { Layer, Network } from '../reference/network.ts';
import { type PreprocessParameters, preprocess } from '../reference/preprocess.ts';
import { elementCount, type Tensor, tensor } from '../reference/tensor.ts';
import { concat, encodeSafetensors, memoryStore, modelJson, type PlainTensor } from '../weights/made-files.ts';

const BLOCKS = { vgg11: [1, 1, 2, 2, 2], vgg16: [2, 2, 3, 3, 3] } as const;

/**
 * What stands behind the last block: 'classifier' three fully connected layers; 'avg' the mean of each pooled map and one of
 * them; 'gap' the mean of each map of another convolution, which takes the last pooling's place, and one of them.
 */
export type Head = 'classifier' | 'avg' | 'gap';

export interface SmallVggOptions {
  readonly name?: keyof typeof BLOCKS;
  /** Default 'classifier'. */
  readonly head?: Head;
  readonly batchNorm?: boolean;
  readonly seed?: number;
  /** Channels of the first block; the others have 2, 4, 8 and 8 times as many. Default 4. */
  readonly channels?: number;
  /** Default 32. */
  readonly inputSize?: number;
  /** Default 10. */
  readonly classes?: number;
  /** Multiplies a layer's weights and biases. Default: 1 for all. */
  readonly scale?: (layer: string) => number;
  /** Added to a layer's biases. Default: 0 for all. */
  readonly shift?: (layer: string) => number;
}

export interface BatchNorm {
  readonly gamma: Tensor;
  readonly beta: Tensor;
  readonly mean: Tensor;
  readonly variance: Tensor;
}
export interface SmallConvolution {
  readonly name: string;
  /** [outputs, inputs, 3, 3] */
  readonly weights: Tensor;
  readonly bias: Tensor;
  readonly batchNorm: BatchNorm | undefined;
}
export interface SmallDense {
  readonly name: 'fc1' | 'fc2' | 'predictions';
  /** [inputs, outputs]; the inputs of fc1 are the last feature maps in C, H, W order. */
  readonly weights: Tensor;
  readonly bias: Tensor;
}
export interface SmallVgg {
  readonly name: keyof typeof BLOCKS;
  readonly head: Head;
  readonly batchNorm: boolean;
  readonly channels: number;
  readonly inputSize: number;
  readonly classes: number;
  readonly blocks: readonly (readonly SmallConvolution[])[];
  readonly dense: readonly SmallDense[];
}

/** Weights as He et al. 2015 draw them, every value exact in float32. */
export function smallVgg(options: SmallVggOptions = {}): SmallVgg {
  const { name = 'vgg16', head = 'classifier', batchNorm = false } = options;
  const { channels = 4, inputSize = 32, classes = 10, scale = () => 1, shift = () => 0 } = options;
  const source = random(options.seed ?? 16);
  const draw = (shape: number[], deviation: number, centre = 0) =>
    tensor(
      shape,
      source.normals(elementCount(shape)).map((z) => centre + deviation * z),
    );
  const around1 = (count: number) => tensor([count], source.uniforms(count, 0.5, 1.5));
  let inputs = 3;
  const blocks = BLOCKS[name].map((convolutions, b) => {
    const layers = Array.from({ length: convolutions }, (_, c) => `block${b + 1}_conv${c + 1}`);
    if (head === 'gap' && b === 4) layers.push('cam_conv');
    return layers.map((layer): SmallConvolution => {
      const outputs = channels * (layer === 'cam_conv' ? 16 : [1, 2, 4, 8, 8][b]!);
      const deviation = scale(layer) * Math.sqrt(2 / (9 * inputs));
      const weights = draw([outputs, inputs, 3, 3], deviation);
      const bias = draw([outputs], deviation, shift(layer));
      inputs = outputs;
      const norm = () => ({
        gamma: around1(outputs),
        beta: draw([outputs], 0.2),
        mean: draw([outputs], 0.2),
        variance: around1(outputs),
      });
      return { name: layer, weights, bias, batchNorm: batchNorm ? norm() : undefined };
    });
  });
  if (head === 'classifier') inputs *= (inputSize / 32) ** 2;
  const units = { fc1: 64 * channels, fc2: 64 * channels, predictions: classes };
  const denseLayers = head === 'classifier' ? (['fc1', 'fc2', 'predictions'] as const) : (['predictions'] as const);
  const dense = denseLayers.map((layer): SmallDense => {
    const deviation = scale(layer) * Math.sqrt(2 / inputs) * (layer === 'predictions' ? 0.5 : 1);
    const weights = draw([inputs, units[layer]], deviation);
    const bias = draw([units[layer]], deviation, shift(layer));
    inputs = units[layer];
    return { name: layer, weights, bias };
  });
  return { name, head, batchNorm, channels, inputSize, classes, blocks, dense };
}

/** The oracle's network. Batch normalisation is a layer of its own there, as it is where the weights come from. */
export function referenceNetwork(vgg: SmallVgg): Network {
  const layers: Layer[] = [];
  vgg.blocks.forEach((convolutions, b) => {
    for (const { name, weights, bias, batchNorm } of convolutions) {
      const convolution = { op: 'conv2d', weights, bias, stride: 1, padding: 1 } as const;
      if (batchNorm) {
        layers.push({ ...convolution, name: `${name} before its normalisation`, relu: false });
        layers.push(normalisation(name, batchNorm));
      } else layers.push({ ...convolution, name, relu: true });
    }
    if (vgg.head === 'gap' && b === 4) return;
    layers.push({ name: `block${b + 1}_pool`, op: 'maxpool', size: 2, stride: 2 });
  });
  if (vgg.head === 'classifier') layers.push({ name: 'flatten', op: 'flatten', order: 'chw' });
  else layers.push({ name: 'means', op: 'global-average-pool' });
  for (const layer of vgg.dense) layers.push({ ...layer, op: 'dense', relu: layer.name !== 'predictions' });
  return layers;
}

/** γ (x − μ) / √(σ² + ε) + β with torch's ε, as a convolution of 1 × 1 whose matrix is diagonal. */
function normalisation(name: string, { gamma, beta, mean, variance }: BatchNorm): Layer {
  const channels = gamma.data.length;
  const weights = tensor([channels, channels, 1, 1]);
  const bias = tensor([channels]);
  for (let c = 0; c < channels; c++) {
    const factor = gamma.data[c]! / Math.sqrt(variance.data[c]! + 1e-5);
    weights.data[c * channels + c] = factor;
    bias.data[c] = beta.data[c]! - factor * mean.data[c]!;
  }
  return { name, op: 'conv2d', weights, bias, stride: 1, padding: 0, relu: true };
}

export type Layout = 'keras' | 'torchvision' | 'timm';

/** Tensors as a file of the layout names and orders them. */
export function fileTensors(vgg: SmallVgg, layout: Layout): PlainTensor[] {
  return layout === 'keras' ? kerasTensors(vgg) : torchTensors(vgg, layout);
}

export function float32Tensor(name: string, { shape, data }: Tensor): PlainTensor {
  return { name, dtype: 'F32', shape: [...shape], bytes: new Uint8Array(Float32Array.from(data).buffer) };
}

function kerasTensors(vgg: SmallVgg): PlainTensor[] {
  const tensors = vgg.blocks
    .flat()
    .flatMap(({ name, weights, bias }) => [
      float32Tensor(`${name}/kernel`, permute(weights, [2, 3, 1, 0])),
      float32Tensor(`${name}/bias`, bias),
    ]);
  for (const { name, weights, bias } of vgg.dense) {
    const [inputs, outputs] = weights.shape as [number, number];
    const maps = 8 * vgg.channels;
    const side = vgg.inputSize / 32;
    // Keras flattens in H, W, C order.
    const rows =
      name === 'fc1'
        ? permute(tensor([maps, side, side, outputs], weights.data), [1, 2, 0, 3])
        : tensor([inputs, outputs], weights.data);
    tensors.push(float32Tensor(`${name}/kernel`, tensor([inputs, outputs], rows.data)));
    tensors.push(float32Tensor(`${name}/bias`, bias));
  }
  return tensors;
}

function torchTensors(vgg: SmallVgg, layout: 'torchvision' | 'timm'): PlainTensor[] {
  const tensors: PlainTensor[] = [];
  let module = 0;
  for (const block of vgg.blocks) {
    for (const { weights, bias, batchNorm } of block) {
      tensors.push(float32Tensor(`features.${module}.weight`, weights), float32Tensor(`features.${module}.bias`, bias));
      if (batchNorm) {
        module += 1;
        tensors.push(
          float32Tensor(`features.${module}.weight`, batchNorm.gamma),
          float32Tensor(`features.${module}.bias`, batchNorm.beta),
          float32Tensor(`features.${module}.running_mean`, batchNorm.mean),
          float32Tensor(`features.${module}.running_var`, batchNorm.variance),
          { name: `features.${module}.num_batches_tracked`, dtype: 'I64', shape: [], bytes: new Uint8Array(8) },
        );
      }
      module += 2;
    }
    module += 1;
  }
  const predictions = vgg.head === 'classifier' ? 'classifier.6' : 'classifier';
  const names = {
    torchvision: { fc1: 'classifier.0', fc2: 'classifier.3', predictions },
    timm: { fc1: 'pre_logits.fc1', fc2: 'pre_logits.fc2', predictions: 'head.fc' },
  }[layout];
  for (const { name, weights, bias } of vgg.dense) {
    const matrix = permute(weights, [1, 0]);
    const [outputs, inputs] = matrix.shape as [number, number];
    // timm keeps the hidden layers as convolutions over the whole map.
    const side = name === 'fc1' ? vgg.inputSize / 32 : 1;
    const isConvolution = layout === 'timm' && name !== 'predictions';
    const shape = isConvolution ? [outputs, inputs / side ** 2, side, side] : [outputs, inputs];
    tensors.push(float32Tensor(`${names[name]}.weight`, tensor(shape, matrix.data)));
    tensors.push(float32Tensor(`${names[name]}.bias`, bias));
  }
  return tensors;
}

/** A tensor with its axes in another order: axis i of the result is axis `order[i]` of `t`. */
function permute(t: Tensor, order: readonly number[]): Tensor {
  const result = tensor(order.map((axis) => t.shape[axis]!));
  const strides = t.shape.map((_, axis) => elementCount(t.shape.slice(axis + 1)));
  for (let flat = 0; flat < result.data.length; flat++) {
    let rest = flat;
    let from = 0;
    for (let i = order.length - 1; i >= 0; i--) {
      const size = result.shape[i]!;
      from += (rest % size) * strides[order[i]!]!;
      rest = Math.floor(rest / size);
    }
    result.data[flat] = t.data[from]!;
  }
  return result;
}

/** Opens the tensors as a file: a layers-model for Keras, safetensors for the others. */
export function openTensors(tensors: readonly PlainTensor[], layout: Layout): Promise<WeightsFile> {
  if (layout !== 'keras') {
    return openWeights('vgg.safetensors', { store: memoryStore({ 'vgg.safetensors': encodeSafetensors(tensors) }) });
  }
  const weights = tensors.map(({ name, shape }) => ({ name, shape, dtype: 'float32' }));
  const files = {
    'vgg/model.json': modelJson({ paths: ['weights.bin'], weights }),
    'vgg/weights.bin': concat(tensors.map(({ bytes }) => bytes)),
  };
  return openWeights('vgg/model.json', { store: memoryStore(files) });
}

/** What loadModel() must be told of a network that is not at full size. */
export function sizeOptions({ channels, inputSize, classes }: SmallVgg) {
  return { width: channels / 64, inputSize, classes };
}

/** The network on the GPU, read from a file of the layout. */
export async function loadSmallVgg(gpu: Gpu, vgg: SmallVgg, layout: Layout = 'torchvision'): Promise<Model> {
  const name = [vgg.name, vgg.batchNorm ? 'bn' : [], vgg.head === 'classifier' ? [] : vgg.head].flat().join('-');
  const weights = await openTensors(fileTensors(vgg, layout), layout);
  return loadModel(gpu, name as ModelName, { ...sizeOptions(vgg), weights });
}

const PREPROCESSING = {
  keras: { channelOrder: 'bgr', scale: 1, mean: [103.939, 116.779, 123.68], std: [1, 1, 1] },
  torch: { channelOrder: 'rgb', scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
} as const;

export interface Picture {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** What preprocessing makes of a picture that is black, or of the mean colour of the training set: a value a channel. */
export function referenceBaseline(layout: Layout, baseline: 'black' | 'mean' = 'black'): number[] {
  const { mean, std } = PREPROCESSING[layout === 'keras' ? 'keras' : 'torch'];
  return mean.map((value, c) => (baseline === 'black' ? -value / std[c]! : 0));
}

/** The network's input [3, size, size] that the makers of the layout's weights fed it with. */
export function referenceInput(
  vgg: SmallVgg,
  layout: Layout,
  { data, width, height }: Picture,
  fit: PreprocessParameters['fit'] = 'squash',
): Tensor {
  const parameters = PREPROCESSING[layout === 'keras' ? 'keras' : 'torch'];
  return preprocess(data, [height, width], { ...parameters, inputSize: vgg.inputSize, fit });
}

/** RGBA noise on a gradient, opaque: something in every cell, and no two cells the same. */
export function noisyPicture(seed: number, width: number, height: number = width): Picture {
  const source = random(seed);
  const data = new Uint8Array(4 * width * height);
  for (let i = 0; i < data.length; i++) {
    const place = Math.floor(i / 4);
    const shade = 128 * ((place % width) / width) + 64 * (place / width / height);
    data[i] = i % 4 === 3 ? 255 : Math.floor(shade + source.uniform(0, 63));
  }
  return { data, width, height };
}
