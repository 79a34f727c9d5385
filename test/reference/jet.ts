/**
 * Automatic differentiation of third order: numbers that carry their derivatives along one direction, and a network run
 * with them. It knows nothing of what the derivatives of a score are made of.
 */
import type { Layer, Network } from './network.ts';
import { layerIndex } from './network.ts';
import { shapeNchw, type Tensor } from './tensor.ts';

/** Taylor coefficients in t: f, f', f'' / 2, f''' / 6. */
export type Jet = readonly [number, number, number, number];

export const constant = (value: number): Jet => [value, 0, 0, 0];

export function add(a: Jet, b: Jet): Jet {
  return [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]];
}

export function multiply(a: Jet, b: Jet): Jet {
  return [
    a[0] * b[0],
    a[0] * b[1] + a[1] * b[0],
    a[0] * b[2] + a[1] * b[1] + a[2] * b[0],
    a[0] * b[3] + a[1] * b[2] + a[2] * b[1] + a[3] * b[0],
  ];
}

/** a / b, from q · b = a coefficient by coefficient. */
export function divide(a: Jet, b: Jet): Jet {
  const q0 = a[0] / b[0];
  const q1 = (a[1] - q0 * b[1]) / b[0];
  const q2 = (a[2] - q0 * b[2] - q1 * b[1]) / b[0];
  const q3 = (a[3] - q0 * b[3] - q1 * b[2] - q2 * b[1]) / b[0];
  return [q0, q1, q2, q3];
}

/** e^a, from (e^a)' = e^a · a'. */
export function exp(a: Jet): Jet {
  const e0 = Math.exp(a[0]);
  const e1 = e0 * a[1];
  const e2 = (2 * e0 * a[2] + e1 * a[1]) / 2;
  const e3 = (3 * e0 * a[3] + 2 * e1 * a[2] + e2 * a[1]) / 3;
  return [e0, e1, e2, e3];
}

/** ln a, from a · (ln a)' = a'. */
export function log(a: Jet): Jet {
  const l1 = a[1] / a[0];
  const l2 = (2 * a[2] - l1 * a[1]) / (2 * a[0]);
  const l3 = (3 * a[3] - 2 * l2 * a[1] - l1 * a[2]) / (3 * a[0]);
  return [Math.log(a[0]), l1, l2, l3];
}

/** f', f'' and f''' of a jet. */
export function derivatives([, first, second, third]: Jet): [number, number, number] {
  return [first, 2 * second, 6 * third];
}

/** Jets of a layer's output for one sample, flat in C, H, W order. */
interface JetMaps {
  readonly jets: readonly Jet[];
  readonly shape: readonly [channels: number, height: number, width: number];
}

/**
 * The logits of one sample as jets in one cell of layer `from`.
 *
 * @param output that of layer `from`, [1, C, H, W]
 * @param cell flat index into it
 */
export function logitJets(network: Network, from: string, output: Tensor, cell: number): readonly Jet[] {
  const [, channels, height, width] = shapeNchw(from, output);
  const jets = Array.from(output.data, (value, i): Jet => [value, i === cell ? 1 : 0, 0, 0]);
  let maps: JetMaps = { jets, shape: [channels, height, width] };
  for (const layer of network.slice(layerIndex(network, from) + 1)) maps = runLayer(layer, maps);
  return maps.jets;
}

function runLayer(layer: Layer, input: JetMaps): JetMaps {
  const [channels, height, width] = input.shape;
  const at = (c: number, y: number, x: number): Jet =>
    y < 0 || x < 0 || y >= height || x >= width ? constant(0) : input.jets[(c * height + y) * width + x]!;
  switch (layer.op) {
    case 'relu':
      return { ...input, jets: input.jets.map(rectify) };
    case 'maxpool':
      return build(
        [
          channels,
          Math.floor((height - layer.size) / layer.stride) + 1,
          Math.floor((width - layer.size) / layer.stride) + 1,
        ],
        (c, y, x) =>
          window(layer.size, layer.size)
            .map(([dy, dx]) => at(c, y * layer.stride + dy, x * layer.stride + dx))
            .reduce((greatest, jet) => (jet[0] > greatest[0] ? jet : greatest)),
      );
    case 'conv2d': {
      const [outputs, , kernelHeight, kernelWidth] = layer.weights.shape as readonly number[] as [
        number,
        number,
        number,
        number,
      ];
      const size = (extent: number, kernel: number) =>
        Math.floor((extent + 2 * layer.padding - kernel) / layer.stride) + 1;
      return build([outputs, size(height, kernelHeight), size(width, kernelWidth)], (o, y, x) => {
        let sum = constant(layer.bias?.data[o] ?? 0);
        for (let c = 0; c < channels; c++) {
          for (const [dy, dx] of window(kernelHeight, kernelWidth)) {
            const weight = layer.weights.data[((o * channels + c) * kernelHeight + dy) * kernelWidth + dx]!;
            const jet = at(c, y * layer.stride + dy - layer.padding, x * layer.stride + dx - layer.padding);
            sum = add(sum, multiply(constant(weight), jet));
          }
        }
        return layer.relu ? rectify(sum) : sum;
      });
    }
    case 'flatten':
      return build([channels * height * width, 1, 1], (i) => {
        if (layer.order === 'chw') return input.jets[i]!;
        return at(i % channels, Math.floor(i / channels / width), Math.floor(i / channels) % width);
      });
    case 'global-average-pool':
      return build([channels, 1, 1], (c) => {
        const jets = input.jets.slice(c * height * width, (c + 1) * height * width);
        return multiply(constant(1 / jets.length), jets.reduce(add));
      });
    case 'dense': {
      const outputs = layer.weights.shape[1]!;
      return build([outputs, 1, 1], (o) => {
        const products = input.jets.map((jet, i) => multiply(constant(layer.weights.data[i * outputs + o]!), jet));
        const sum = products.reduce(add, constant(layer.bias?.data[o] ?? 0));
        return layer.relu ? rectify(sum) : sum;
      });
    }
  }
}

function rectify(jet: Jet): Jet {
  return jet[0] > 0 ? jet : constant(0);
}

function window(height: number, width: number): [dy: number, dx: number][] {
  return Array.from({ length: height * width }, (_, i) => [Math.floor(i / width), i % width]);
}

function build(shape: JetMaps['shape'], jetAt: (c: number, y: number, x: number) => Jet): JetMaps {
  const [channels, height, width] = shape;
  const jets = Array.from({ length: channels * height * width }, (_, i) =>
    jetAt(Math.floor(i / width / height), Math.floor(i / width) % height, i % width),
  );
  return { jets, shape };
}
