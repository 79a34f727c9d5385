/**
 * A network as a table: named nodes, each an op with its parameters and the names of its inputs. Shapes are worked out
 * here once; nothing below knows which network it is.
 */
import { OptionError } from '../errors.ts';
import { conv2dOutput } from '../ops/conv2d.ts';
import { maxpoolOutput } from '../ops/maxpool.ts';
import type { ChannelScaling } from '../ops/preprocess.ts';

/** Feature maps of a node: [maps, height, width]; a vector of n values is [n, 1, 1]. */
export type FeatureShape = readonly [maps: number, height: number, width: number];

export type Activation = 'relu' | 'none';

interface NodeBase {
  readonly name: string;
  readonly inputs: readonly string[];
  /** Other names of the same layer, such as torchvision's 'features.28'. */
  readonly aliases?: readonly string[];
}
export interface InputNode extends NodeBase {
  readonly op: 'input';
  readonly shape: FeatureShape;
}
export interface Conv2dNode extends NodeBase {
  readonly op: 'conv2d';
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly activation: Activation;
  /** Where the batch normalisation that is folded into this convolution at load has its tensors: a name and its aliases. */
  readonly batchNorm?: readonly string[];
}
export interface MaxpoolNode extends NodeBase {
  readonly op: 'maxpool';
  readonly kernel: number;
  readonly stride: number;
}
export interface FlattenNode extends NodeBase {
  readonly op: 'flatten';
}
export interface GlobalAveragePoolNode extends NodeBase {
  readonly op: 'global-average-pool';
}
export interface DenseNode extends NodeBase {
  readonly op: 'dense';
  readonly units: number;
  readonly activation: Activation;
}
export interface SoftmaxNode extends NodeBase {
  readonly op: 'softmax';
}
export type GraphNode =
  | InputNode
  | Conv2dNode
  | MaxpoolNode
  | FlattenNode
  | GlobalAveragePoolNode
  | DenseNode
  | SoftmaxNode;

/** Whether an op's output is piecewise linear in its input: then a logit's second and third derivatives are zero. */
const PIECEWISE_LINEAR: Readonly<Record<GraphNode['op'], boolean>> = {
  input: true,
  conv2d: true,
  maxpool: true,
  flatten: true,
  'global-average-pool': true,
  dense: true,
  softmax: false,
};
const PIECEWISE_LINEAR_ACTIVATION: Readonly<Record<Activation, boolean>> = { relu: true, none: true };

/** How the maker of a weights file trained: which pixels the model expects and in which order maps are flattened. */
export type Convention = 'keras' | 'torch';

export interface NetworkTable {
  readonly name: string;
  /** In an order in which every node stands behind its inputs. */
  readonly nodes: readonly GraphNode[];
  readonly preprocessing: Readonly<Record<Convention, ChannelScaling>>;
  /** What the channels of the hidden layers were multiplied by, for tables that come in several widths. */
  readonly width?: number;
}

export class Graph {
  readonly name: string;
  readonly nodes: readonly GraphNode[];
  readonly #byName = new Map<string, GraphNode>();
  readonly #shapes = new Map<string, FeatureShape>();
  readonly #consumers = new Map<string, GraphNode>();

  constructor(table: NetworkTable) {
    this.name = table.name;
    this.nodes = table.nodes;
    for (const node of table.nodes) {
      for (const input of node.inputs) {
        if (!this.#byName.has(input))
          throw new Error(`${table.name}: node ${node.name} reads ${input} before it exists`);
        const other = this.#consumers.get(input);
        if (other) {
          // Gradients of a branching node are sums over its readers; no network here branches yet.
          throw new Error(`${table.name}: ${input} is read by ${other.name} and ${node.name}; one reader is supported`);
        }
        this.#consumers.set(input, node);
      }
      if (this.#byName.has(node.name)) throw new Error(`${table.name}: two nodes are called ${node.name}`);
      this.#byName.set(node.name, node);
      this.#shapes.set(node.name, this.#shapeOf(node));
    }
  }

  node(name: string): GraphNode {
    const node = this.#byName.get(name);
    if (!node) throw new Error(`${this.name} has no node ${name}`);
    return node;
  }

  shape(name: string): FeatureShape {
    this.node(name);
    return this.#shapes.get(name) as FeatureShape;
  }

  /** The node that reads this one's output, if any. */
  consumer(name: string): GraphNode | undefined {
    return this.#consumers.get(name);
  }

  get input(): InputNode {
    return this.nodes.find((node) => node.op === 'input') as InputNode;
  }

  /** The node whose output is the class logits: the input of the softmax, or else the last node. */
  get logits(): GraphNode {
    const softmax = this.nodes.find((node) => node.op === 'softmax');
    return softmax ? this.node(softmax.inputs[0]) : this.nodes[this.nodes.length - 1];
  }

  /**
   * The layer whose maps are all that the logits know of, and only by their means: where one fully connected layer behind a
   * global average pooling makes the logits. Undefined for other networks.
   */
  get pooledLayer(): GraphNode | undefined {
    const { logits } = this;
    if (logits.op !== 'dense' || logits.activation !== 'none') return undefined;
    const pool = this.node(logits.inputs[0]);
    return pool.op === 'global-average-pool' ? this.node(pool.inputs[0]) : undefined;
  }

  /** Nodes behind `name`, up to the logits, in forward order. */
  after(name: string): GraphNode[] {
    const path: GraphNode[] = [];
    const last = this.logits.name;
    for (let at = name; at !== last; ) {
      const next = this.consumer(at);
      if (!next) throw new Error(`${this.name}: ${name} does not lead to the logits`);
      path.push(next);
      at = next.name;
    }
    return path;
  }

  /** The first node behind `name`, up to the logits, that is not piecewise linear. */
  curvedAfter(name: string): GraphNode | undefined {
    return this.after(name).find(
      (node) => !PIECEWISE_LINEAR[node.op] || ('activation' in node && !PIECEWISE_LINEAR_ACTIVATION[node.activation]),
    );
  }

  /** Layers that can be explained: those with feature maps in front of the classifier. */
  get layers(): GraphNode[] {
    return this.nodes.filter((node) => node.op === 'conv2d' || node.op === 'maxpool');
  }

  /**
   * Finds a layer by name or alias.
   *
   * @param name default: the last convolution
   * @throws OptionError listing the layers.
   */
  layer(name?: string): GraphNode {
    const { layers } = this;
    const found =
      name === undefined
        ? layers.findLast((node) => node.op === 'conv2d')
        : layers.find((node) => node.name === name || node.aliases?.includes(name));
    if (!found) throw new OptionError('layerName', name, layers.map((node) => node.name).join(', '));
    return found;
  }

  #shapeOf(node: GraphNode): FeatureShape {
    if (node.op === 'input') return node.shape;
    const input = this.shape(node.inputs[0]);
    const [maps, height, width] = input;
    switch (node.op) {
      case 'conv2d': {
        const out = conv2dOutput({ ...node, inChannels: maps, height, width });
        return [node.outChannels, out.height, out.width];
      }
      case 'maxpool': {
        const out = maxpoolOutput({ ...node, channels: maps, height, width });
        return [maps, out.height, out.width];
      }
      case 'flatten':
        return [maps * height * width, 1, 1];
      case 'global-average-pool':
        return [maps, 1, 1];
      case 'dense':
        return [node.units, 1, 1];
      case 'softmax':
        return input;
    }
  }
}

/** Values in feature maps of this shape. */
export function elementsOf([maps, height, width]: FeatureShape): number {
  return maps * height * width;
}
