/** VGG (Simonyan & Zisserman 2014) as tables: rows of numbers, with the layer names of Keras, torchvision and timm. */
import type { ChannelScaling } from '../ops/preprocess.ts';
import type { Convention, GraphNode, NetworkTable } from './graph.ts';

/** Convolutions in each of the five blocks. */
const BLOCKS = {
  vgg11: [1, 1, 2, 2, 2],
  vgg13: [2, 2, 2, 2, 2],
  vgg16: [2, 2, 3, 3, 3],
  vgg19: [2, 2, 4, 4, 4],
} as const;
const CHANNELS = [64, 128, 256, 512, 512];
const HIDDEN_UNITS = 4096;

export type VggName = keyof typeof BLOCKS;
export const VGG_NAMES = Object.keys(BLOCKS) as VggName[];

/** Keras's 'caffe' mode: B, G, R, 0 … 255, minus the means of ImageNet; torchvision: R, G, B, standardised. */
const PREPROCESSING: Record<Convention, ChannelScaling> = {
  keras: { channelOrder: 'bgr', scale: 1, mean: [103.939, 116.779, 123.68], std: [1, 1, 1] },
  torch: { channelOrder: 'rgb', scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
};

export interface VggOptions {
  /** Batch normalisation behind every convolution (torchvision's vgg16_bn and its sisters). */
  batchNorm?: boolean;
  /** Multiplies the channels of every hidden layer, which are rounded to at least 1. Default 1. */
  width?: number;
  /** Of fc1 and of fc2. Default 4096 times `width`. */
  hiddenUnits?: number;
  /** Default 1000. */
  classes?: number;
  /** Side of the square input, a multiple of 32. Default 224. */
  inputSize?: number;
}

export function vgg(
  name: VggName,
  { batchNorm = false, width = 1, hiddenUnits, classes = 1000, inputSize = 224 }: VggOptions = {},
): NetworkTable {
  const scaled = (channels: number) => Math.max(1, Math.round(channels * width));
  const hidden = hiddenUnits ?? scaled(HIDDEN_UNITS);
  const nodes: GraphNode[] = [{ name: 'input', op: 'input', inputs: [], shape: [3, inputSize, inputSize] }];
  const last = () => [nodes[nodes.length - 1].name];
  // torchvision numbers the modules of `features`: convolution, batch normalisation if any, ReLU, …, pooling.
  let module = 0;
  BLOCKS[name].forEach((convolutions, b) => {
    for (let c = 0; c < convolutions; c++) {
      const conv = module++;
      const norm = batchNorm ? module++ : undefined;
      const relu = module++;
      nodes.push({
        name: `block${b + 1}_conv${c + 1}`,
        op: 'conv2d',
        inputs: last(),
        aliases: [`features.${conv}`, `features.${relu}`],
        outChannels: scaled(CHANNELS[b]),
        kernel: 3,
        stride: 1,
        padding: 1,
        activation: 'relu',
        batchNorm: norm === undefined ? undefined : [`features.${norm}`],
      });
    }
    nodes.push({
      name: `block${b + 1}_pool`,
      op: 'maxpool',
      inputs: last(),
      aliases: [`features.${module++}`],
      kernel: 2,
      stride: 2,
    });
  });
  nodes.push({ name: 'flatten', op: 'flatten', inputs: last() });
  const classifier = [
    ['fc1', hidden, 'relu', 'classifier.0', 'pre_logits.fc1'],
    ['fc2', hidden, 'relu', 'classifier.3', 'pre_logits.fc2'],
    ['predictions', classes, 'none', 'classifier.6', 'head.fc'],
  ] as const;
  for (const [name, units, activation, ...aliases] of classifier) {
    nodes.push({ name, op: 'dense', inputs: last(), aliases, units, activation });
  }
  nodes.push({ name: 'softmax', op: 'softmax', inputs: last() });
  return { name: batchNorm ? `${name}-bn` : name, nodes, preprocessing: PREPROCESSING, width };
}
