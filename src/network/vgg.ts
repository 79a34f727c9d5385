/**
 * VGG (Simonyan & Zisserman 2014) as tables: rows of numbers, with the layer names of Keras, torchvision and timm. Also with
 * a global average pooling in place of the hidden fully connected layers, as CAM (Zhou et al. 2016) needs it.
 */
import type { ChannelScaling } from '../ops/preprocess.ts';
import type { Activation, Convention, GraphNode, NetworkTable } from './graph.ts';

/** Convolutions in each of the five blocks. */
const BLOCKS = {
  vgg11: [1, 1, 2, 2, 2],
  vgg13: [2, 2, 2, 2, 2],
  vgg16: [2, 2, 3, 3, 3],
  vgg19: [2, 2, 4, 4, 4],
} as const;
const CHANNELS = [64, 128, 256, 512, 512];
const HIDDEN_UNITS = 4096;
/** Maps of the convolution that CAM's authors put in front of the pooling. */
const CAM_CHANNELS = 1024;

export type VggName = keyof typeof BLOCKS;
export const VGG_NAMES = Object.keys(BLOCKS) as VggName[];

/** Keras's 'caffe' mode: B, G, R, 0 … 255, minus the means of ImageNet; torchvision: R, G, B, standardised. */
const PREPROCESSING: Record<Convention, ChannelScaling> = {
  keras: { channelOrder: 'bgr', scale: 1, mean: [103.939, 116.779, 123.68], std: [1, 1, 1] },
  torch: { channelOrder: 'rgb', scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
};

/**
 * What stands behind the last block:
 *   'classifier' two hidden fully connected layers, as published;
 *   'avg' the mean of each of its pooled maps, as Keras's `include_top=False, pooling='avg'` leaves it;
 *   'gap' in place of its pooling another convolution, then the mean of each of its maps: VGGnet-GAP of Zhou et al. 2016. The
 *     authors' Caffe model cuts this convolution into two groups, which in one are zeros between the halves.
 * The logits come from one more fully connected layer in each case.
 */
export type VggHead = 'classifier' | 'avg' | 'gap';

export interface VggOptions {
  /** Default 'classifier'. */
  head?: VggHead;
  /** Batch normalisation behind every convolution (torchvision's vgg16_bn and its sisters). */
  batchNorm?: boolean;
  /** Multiplies the channels of every hidden layer, which are rounded to at least 1. Default 1. */
  width?: number;
  /** Of fc1 and of fc2, where there are such. Default 4096 times `width`. */
  hiddenUnits?: number;
  /** Default 1000. */
  classes?: number;
  /** Side of the square input, a multiple of 32. Default 224. */
  inputSize?: number;
}

export function vgg(
  name: VggName,
  { head = 'classifier', batchNorm = false, width = 1, hiddenUnits, classes = 1000, inputSize = 224 }: VggOptions = {},
): NetworkTable {
  const scaled = (channels: number) => Math.max(1, Math.round(channels * width));
  const hidden = hiddenUnits ?? scaled(HIDDEN_UNITS);
  const nodes: GraphNode[] = [{ name: 'input', op: 'input', inputs: [], shape: [3, inputSize, inputSize] }];
  const last = () => [nodes[nodes.length - 1].name];
  // torchvision numbers the modules of `features`: convolution, batch normalisation if any, ReLU, …, pooling.
  let module = 0;
  const addConvolution = (name: string, outChannels: number, normalised: boolean) => {
    const conv = module++;
    const norm = normalised ? module++ : undefined;
    const relu = module++;
    nodes.push({
      name,
      op: 'conv2d',
      inputs: last(),
      aliases: [`features.${conv}`, `features.${relu}`],
      outChannels,
      kernel: 3,
      stride: 1,
      padding: 1,
      activation: 'relu',
      batchNorm: norm === undefined ? undefined : [`features.${norm}`],
    });
  };
  BLOCKS[name].forEach((convolutions, b) => {
    for (let c = 0; c < convolutions; c++) {
      addConvolution(`block${b + 1}_conv${c + 1}`, scaled(CHANNELS[b]), batchNorm);
    }
    if (head === 'gap' && b === BLOCKS[name].length - 1) return;
    nodes.push({
      name: `block${b + 1}_pool`,
      op: 'maxpool',
      inputs: last(),
      aliases: [`features.${module++}`],
      kernel: 2,
      stride: 2,
    });
  });
  const addDense = (name: string, units: number, activation: Activation, aliases: readonly string[]) => {
    nodes.push({ name, op: 'dense', inputs: last(), aliases, units, activation });
  };
  if (head === 'classifier') {
    nodes.push({ name: 'flatten', op: 'flatten', inputs: last() });
    addDense('fc1', hidden, 'relu', ['classifier.0', 'pre_logits.fc1']);
    addDense('fc2', hidden, 'relu', ['classifier.3', 'pre_logits.fc2']);
    addDense('predictions', classes, 'none', ['classifier.6', 'head.fc']);
  } else {
    if (head === 'gap') addConvolution('cam_conv', scaled(CAM_CHANNELS), false);
    nodes.push({ name: 'global_average_pool', op: 'global-average-pool', inputs: last() });
    addDense('predictions', classes, 'none', ['classifier', 'fc', 'head.fc', 'dense']);
  }
  nodes.push({ name: 'softmax', op: 'softmax', inputs: last() });
  const variant = `${batchNorm ? '-bn' : ''}${head === 'classifier' ? '' : `-${head}`}`;
  return { name: `${name}${variant}`, nodes, preprocessing: PREPROCESSING, width };
}
