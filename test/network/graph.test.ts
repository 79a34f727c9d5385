import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/errors.ts';
import { checkDerivatives } from '../../src/job.ts';
import { elementsOf, Graph, type GraphNode, type NetworkTable } from '../../src/network/graph.ts';

const INPUT: GraphNode = { name: 'input', op: 'input', inputs: [], shape: [3, 17, 12] };
const STEM: GraphNode = {
  name: 'stem',
  op: 'conv2d',
  inputs: ['input'],
  aliases: ['features.0', 'features.1'],
  outChannels: 5,
  kernel: 7,
  stride: 2,
  padding: 3,
  activation: 'relu',
};
const POOL: GraphNode = { name: 'pool', op: 'maxpool', inputs: ['stem'], kernel: 3, stride: 2 };
const FLATTEN: GraphNode = { name: 'flatten', op: 'flatten', inputs: ['pool'] };
const LOGITS: GraphNode = { name: 'logits', op: 'dense', inputs: ['flatten'], units: 4, activation: 'none' };
const SOFTMAX: GraphNode = { name: 'softmax', op: 'softmax', inputs: ['logits'] };

function table(...nodes: GraphNode[]): NetworkTable {
  const scaling = { channelOrder: 'rgb', scale: 1, mean: [0, 0, 0], std: [1, 1, 1] } as const;
  return { name: 'tiny', nodes, preprocessing: { keras: scaling, torch: scaling } };
}

describe('Graph', () => {
  const graph = new Graph(table(INPUT, STEM, POOL, FLATTEN, LOGITS, SOFTMAX));

  it('knows the first node behind a layer that is not piecewise linear', async () => {
    expect(graph.curvedAfter('stem')).toBeUndefined();
    // No network here has one: made up.
    const gelu = { ...STEM, name: 'gelu', inputs: ['pool'], aliases: [], activation: 'gelu' } as unknown as GraphNode;
    const swish = { ...LOGITS, name: 'swish', inputs: ['pool'], activation: 'swish' } as unknown as GraphNode;
    for (const curved of [gelu, swish]) {
      const tail = { ...LOGITS, inputs: [curved.name] };
      const bent = new Graph(table(INPUT, STEM, POOL, curved, tail, SOFTMAX));
      expect(bent.curvedAfter('stem')).toBe(curved);
      await expect(checkDerivatives(bent, 'stem', { method: 'grad-cam++' })).rejects.toThrow(
        `method: got "grad-cam++"; allowed: one without second and third derivatives (grad-cam, `,
      );
      await expect(checkDerivatives(bent, 'stem', { method: 'smooth-grad-cam++' })).rejects.toThrow(OptionError);
      // A first derivative is exact whatever comes behind.
      await checkDerivatives(bent, 'stem', { method: 'grad-cam' });
      await checkDerivatives(bent, curved.name, { method: 'grad-cam++' });
    }
  });

  it('works out the shape of every node', () => {
    const shapes = graph.nodes.map(({ name }) => [name, graph.shape(name)]);
    expect(shapes).toEqual([
      ['input', [3, 17, 12]],
      ['stem', [5, 9, 6]],
      ['pool', [5, 4, 2]],
      ['flatten', [40, 1, 1]],
      ['logits', [4, 1, 1]],
      ['softmax', [4, 1, 1]],
    ]);
    expect(elementsOf(graph.shape('stem'))).toBe(270);
  });

  it('finds the logits in front of the softmax, or else at the end', () => {
    expect(graph.logits.name).toBe('logits');
    expect(new Graph(table(INPUT, STEM, POOL, FLATTEN, LOGITS)).logits.name).toBe('logits');
  });

  it('knows who reads a node and what stands behind it', () => {
    expect(graph.input.name).toBe('input');
    expect(graph.consumer('stem')?.name).toBe('pool');
    expect(graph.consumer('softmax')).toBeUndefined();
    expect(graph.after('stem').map(({ name }) => name)).toEqual(['pool', 'flatten', 'logits']);
    expect(graph.after('logits')).toEqual([]);
  });

  it('finds layers by name and alias, and the last convolution by default', () => {
    expect(graph.layers.map(({ name }) => name)).toEqual(['stem', 'pool']);
    expect(graph.layer().name).toBe('stem');
    expect(graph.layer('pool').name).toBe('pool');
    expect(graph.layer('features.1').name).toBe('stem');
    for (const name of ['logits', 'flatten', 'input', 'features', '']) {
      expect(() => graph.layer(name)).toThrow(OptionError);
    }
    expect(() => graph.layer('conv9')).toThrow('layerName: got "conv9"; allowed: stem, pool');
  });

  it('refuses a table that is not a chain of known nodes', () => {
    expect(() => new Graph(table(INPUT, POOL, STEM))).toThrow('node pool reads stem before it exists');
    expect(() => new Graph(table(INPUT, STEM, { ...STEM }))).toThrow('input is read by stem and stem');
    expect(() => new Graph(table(INPUT, STEM, { ...POOL, name: 'stem' }))).toThrow('two nodes are called stem');
    expect(() => graph.node('nowhere')).toThrow('tiny has no node nowhere');
    expect(() => graph.shape('nowhere')).toThrow('tiny has no node nowhere');
    expect(() => graph.after('softmax')).toThrow('softmax does not lead to the logits');
  });
});
