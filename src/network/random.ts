/** Seeded random weights for a network: for tests, benchmarks and trying things out. Their maps mean nothing. */
import { OptionError, throwIfAborted } from '../errors.ts';
import { type TensorInfo, type WeightsFile, WeightsPiece } from '../weights/source.ts';
import { elementsOf, type Graph } from './graph.ts';
import { convShape } from './shapes.ts';

/**
 * Weights in Keras's layout, uniform with the variance of He et al. 2015, which keeps activations at their size through
 * ReLU layers; biases a tenth of that.
 */
export function randomWeights(graph: Graph, seed: number): WeightsFile {
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new OptionError('weights', `random:${seed}`, 'random:SEED with a whole number from 0 to 4294967295');
  }
  const origin = `random:${seed}`;
  const drawn: RandomTensor[] = [];
  const add = (name: string, shape: number[], limit: number, center = 0) => {
    drawn.push({ info: { name, shape, encoding: { dtype: 'float32' }, file: origin }, center, limit });
  };
  for (const node of graph.nodes) {
    if (node.op === 'conv2d') {
      const { kernel, inChannels, outChannels } = convShape(graph, node);
      const limit = Math.sqrt(6 / (kernel ** 2 * inChannels));
      add(`${node.name}/kernel`, [kernel, kernel, inChannels, outChannels], limit);
      add(`${node.name}/bias`, [outChannels], limit / 10);
      if (node.batchNorm) {
        const [norm] = node.batchNorm;
        add(`${norm}/gamma`, [outChannels], 0.1, 1);
        add(`${norm}/beta`, [outChannels], 0.1);
        add(`${norm}/moving_mean`, [outChannels], 0.1);
        add(`${norm}/moving_variance`, [outChannels], 0.1, 1);
      }
    }
    if (node.op === 'dense') {
      const inputs = elementsOf(graph.shape(node.inputs[0]));
      // Logits of a few units, as trained networks have, from inputs of 0 … 255.
      const limit = Math.sqrt(6 / inputs) * (node.name === graph.logits.name ? 0.03 : 1);
      add(`${node.name}/kernel`, [inputs, node.units], limit);
      add(`${node.name}/bias`, [node.units], limit / 10);
    }
  }
  return {
    format: 'tfjs-layers',
    origin,
    tensors: new Map(drawn.map(({ info }) => [info.name, info])),
    integerTensors: new Map(),
    async *stream({ wanted, pieceElements = 1 << 20, signal, onProgress } = {}) {
      const totalBytes = drawn.reduce((sum, { info }) => sum + 4 * product(info.shape), 0);
      let loadedBytes = 0;
      let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
      for (const { info, center, limit } of drawn) {
        const total = product(info.shape);
        for (let offset = 0; offset < total; offset += pieceElements) {
          throwIfAborted(signal);
          const values = new Float32Array(Math.min(pieceElements, total - offset));
          for (let i = 0; i < values.length; i++) {
            // xorshift32 (Marsaglia 2003): quick, and good enough for weights that mean nothing.
            state ^= state << 13;
            state ^= state >>> 17;
            state ^= state << 5;
            values[i] = center + ((state >>> 0) / 2 ** 31 - 1) * limit;
          }
          loadedBytes += values.byteLength;
          onProgress?.({ loadedBytes, totalBytes, file: origin });
          if (!wanted || wanted(info.name)) yield new WeightsPiece(info, offset, new Uint8Array(values.buffer));
        }
      }
    },
    checksum: () => undefined,
    close: async () => {},
  };
}

/** A tensor of numbers from center - limit to center + limit, all as likely. */
interface RandomTensor {
  readonly info: TensorInfo;
  readonly center: number;
  readonly limit: number;
}

function product(shape: readonly number[]): number {
  return shape.reduce((total, n) => total * n, 1);
}
