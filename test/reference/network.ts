/** A chain of layers in float64: forward from any layer to any other, and back. */
import { conv2d, conv2dGradInput } from './conv2d.ts';
import { dense, denseGradInput } from './dense.ts';
import { acrossZero, type Doubt, otherWinners } from './doubt.ts';
import { type FlattenOrder, flatten, flattenGradInput } from './flatten.ts';
import { globalAveragePool, globalAveragePoolGradInput } from './global-average-pool.ts';
import { type MaxpoolParameters, maxpool, maxpoolGradInput } from './maxpool.ts';
import { type ReluRule, relu, reluGradInput } from './relu.ts';
import type { Tensor } from './tensor.ts';

/** A layer's output is what comes after its ReLU, where it has one. */
export type Layer = {
  readonly name: string;
  /** Which of its decisions are taken the other way; none by default. */
  readonly doubt?: Doubt | undefined;
} & (
  | {
      readonly op: 'conv2d';
      /** [O, C, kernel height, kernel width] */
      readonly weights: Tensor;
      readonly bias?: Tensor;
      readonly stride: number;
      readonly padding: number;
      readonly relu: boolean;
    }
  | { readonly op: 'relu' }
  | ({ readonly op: 'maxpool' } & MaxpoolParameters)
  | { readonly op: 'flatten'; readonly order: FlattenOrder }
  | { readonly op: 'global-average-pool' }
  | {
      readonly op: 'dense';
      /** [I, O] */
      readonly weights: Tensor;
      readonly bias?: Tensor;
      readonly relu: boolean;
    }
);

/** Layers in order; the last one's output is the logits, [N, classes]. */
export type Network = readonly Layer[];

export function layerIndex(network: Network, name: string): number {
  const index = network.findIndex((layer) => layer.name === name);
  if (index < 0) throw new RangeError(`no layer ${name}; there are ${network.map((layer) => layer.name).join(', ')}`);
  return index;
}

/**
 * Runs the layers after `from` (default: all of them).
 *
 * @param input [N, C, H, W], or the output of layer `from`
 * @returns the output of each layer that ran, by name
 */
export function forward(network: Network, input: Tensor, from?: string): Map<string, Tensor> {
  const outputs = new Map<string, Tensor>();
  let current = input;
  for (const layer of network.slice(from === undefined ? 0 : layerIndex(network, from) + 1)) {
    current = runLayer(layer, current);
    outputs.set(layer.name, current);
  }
  return outputs;
}

/** The output of the last layer: [N, classes]. */
export function logits(network: Network, outputs: ReadonlyMap<string, Tensor>): Tensor {
  return outputs.get(network.at(-1)!.name)!;
}

/**
 * The gradient of ⟨logits, gradLogits⟩ with respect to the output of layer `to`, or to the network's input.
 *
 * @param outputs what `forward` gave for `input`
 * @param to default: the network's input
 * @param rule what goes back through the ReLUs in place of the gradient
 */
export function backward(
  network: Network,
  input: Tensor,
  outputs: ReadonlyMap<string, Tensor>,
  gradLogits: Tensor,
  to?: string,
  rule?: ReluRule,
): Tensor {
  const first = to === undefined ? 0 : layerIndex(network, to) + 1;
  let gradient = gradLogits;
  for (let index = network.length - 1; index >= first; index--) {
    const layer = network[index]!;
    const layerInput = index === 0 ? input : outputs.get(network[index - 1]!.name)!;
    gradient = layerGradInput(layer, gradient, layerInput, outputs.get(layer.name)!, rule);
  }
  return gradient;
}

function runLayer(layer: Layer, input: Tensor): Tensor {
  const rectify = (values: Tensor) => relu(layer.doubt ? acrossZero(values, layer.doubt) : values);
  switch (layer.op) {
    case 'conv2d': {
      const sums = conv2d(input, layer.weights, layer.bias, { ...layer, relu: false });
      return layer.relu ? rectify(sums) : sums;
    }
    case 'relu':
      return rectify(input);
    case 'maxpool':
      return maxpool(input, layer);
    case 'flatten':
      return flatten(input, layer.order);
    case 'global-average-pool':
      return globalAveragePool(input);
    case 'dense': {
      const sums = dense(input, layer.weights, layer.bias);
      return layer.relu ? rectify(sums) : sums;
    }
  }
}

function layerGradInput(layer: Layer, gradOutput: Tensor, input: Tensor, output: Tensor, rule?: ReluRule): Tensor {
  const [, channels, height, width] = input.shape as readonly number[] as [number, number, number, number];
  const beforeRelu = (hasRelu: boolean) => (hasRelu ? reluGradInput(gradOutput, output, rule) : gradOutput);
  switch (layer.op) {
    case 'conv2d':
      return conv2dGradInput(beforeRelu(layer.relu), layer.weights, layer, [height, width]);
    case 'relu':
      return reluGradInput(gradOutput, output, rule);
    case 'maxpool':
      return maxpoolGradInput(gradOutput, layer.doubt ? otherWinners(input, layer, layer.doubt) : input, layer);
    case 'flatten':
      return flattenGradInput(gradOutput, layer.order, [channels, height, width]);
    case 'global-average-pool':
      return globalAveragePoolGradInput(gradOutput, [height, width]);
    case 'dense':
      return denseGradInput(beforeRelu(layer.relu), layer.weights);
  }
}
