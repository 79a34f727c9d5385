import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/errors.ts';
import { elementsOf, Graph, type NetworkTable } from '../../src/network/graph.ts';
import { BUILT_IN_MODEL, findModel, type KnownModel, MODELS, publishedSource } from '../../src/network/models.ts';
import { vgg } from '../../src/network/vgg.ts';

/** torchvision's `features` as configurations A, B, D and E of its vgg.py list them: channels, or 'M' for max-pooling. */
const TORCHVISION_FEATURES = {
  vgg11: [64, 'M', 128, 'M', 256, 256, 'M', 512, 512, 'M', 512, 512, 'M'],
  vgg13: [64, 64, 'M', 128, 128, 'M', 256, 256, 'M', 512, 512, 'M', 512, 512, 'M'],
  vgg16: [64, 64, 'M', 128, 128, 'M', 256, 256, 256, 'M', 512, 512, 512, 'M', 512, 512, 512, 'M'],
  vgg19: [64, 64, 'M', 128, 128, 'M', 256, 256, 256, 256, 'M', 512, 512, 512, 512, 'M', 512, 512, 512, 512, 'M'],
} as const;
type Name = keyof typeof TORCHVISION_FEATURES;
const NAMES = Object.keys(TORCHVISION_FEATURES) as Name[];

/** What the name of a layer, the index of its module in torchvision and its shape must be. */
function expectedLayers(name: Name, batchNorm: boolean) {
  const layers: { name: string; aliases: string[]; shape: number[] }[] = [];
  let [module, block, conv, channels, side] = [0, 1, 1, 3, 224];
  for (const entry of TORCHVISION_FEATURES[name]) {
    if (entry === 'M') {
      side /= 2;
      layers.push({ name: `block${block}_pool`, aliases: [`features.${module}`], shape: [channels, side, side] });
      module += 1;
      block += 1;
      conv = 1;
    } else {
      channels = entry;
      const relu = module + (batchNorm ? 2 : 1);
      const aliases = [`features.${module}`, `features.${relu}`];
      layers.push({ name: `block${block}_conv${conv}`, aliases, shape: [channels, side, side] });
      module = relu + 1;
      conv += 1;
    }
  }
  return layers;
}

describe.each(NAMES)('%s', (name) => {
  it.each([false, true])(
    'has the layers of Keras under torchvision’s numbers (batch normalisation: %s)',
    (batchNorm) => {
      const graph = new Graph(vgg(name, { batchNorm }));
      const layers = graph.layers.map((node) => ({
        name: node.name,
        aliases: node.aliases,
        shape: graph.shape(node.name),
      }));
      expect(layers).toEqual(expectedLayers(name, batchNorm));
      for (const expected of expectedLayers(name, batchNorm)) {
        for (const alias of expected.aliases) expect(graph.layer(alias).name).toBe(expected.name);
      }
    },
  );

  it('has as many parameters as the table of models says', () => {
    for (const model of [findModel(name), findModel(`${name}-bn`)]) expectParameters(model, vgg(name));
    for (const model of [findModel(`${name}-avg`), findModel(`${name}-bn-avg`)]) {
      expectParameters(model, vgg(name, { head: 'avg' }));
    }
  });
});

function expectParameters(model: KnownModel, table: NetworkTable): void {
  const graph = new Graph(table);
  let parameters = 0;
  for (const node of graph.nodes) {
    const inputs = node.inputs[0] === undefined ? undefined : graph.shape(node.inputs[0]);
    if (node.op === 'conv2d') parameters += node.kernel ** 2 * inputs![0] * node.outChannels + node.outChannels;
    if (node.op === 'dense') parameters += elementsOf(inputs!) * node.units + node.units;
  }
  expect(model.parameters).toBe(parameters);
  expect(model.bytes).toBe(4 * parameters);
}

describe('vgg', () => {
  it('numbers the layers that everybody quotes', () => {
    const layer = (name: Name, alias: string, batchNorm = false) =>
      new Graph(vgg(name, { batchNorm })).layer(alias).name;
    expect(layer('vgg16', 'features.28')).toBe('block5_conv3');
    expect(layer('vgg16', 'features.29')).toBe('block5_conv3');
    expect(layer('vgg16', 'features.30')).toBe('block5_pool');
    expect(layer('vgg16', 'features.0')).toBe('block1_conv1');
    expect(layer('vgg16', 'features.40', true)).toBe('block5_conv3');
    expect(layer('vgg16', 'features.42', true)).toBe('block5_conv3');
    expect(layer('vgg16', 'features.43', true)).toBe('block5_pool');
    expect(layer('vgg19', 'features.34')).toBe('block5_conv4');
    expect(layer('vgg11', 'features.18')).toBe('block5_conv2');
  });

  it('explains the last convolution by default', () => {
    expect(NAMES.map((name) => new Graph(vgg(name)).layer().name)).toEqual([
      'block5_conv2',
      'block5_conv2',
      'block5_conv3',
      'block5_conv4',
    ]);
  });

  it('ends in three fully connected layers and a softmax', () => {
    const graph = new Graph(vgg('vgg16'));
    expect(graph.nodes.slice(-5).map(({ name }) => [name, graph.shape(name)])).toEqual([
      ['flatten', [25088, 1, 1]],
      ['fc1', [4096, 1, 1]],
      ['fc2', [4096, 1, 1]],
      ['predictions', [1000, 1, 1]],
      ['softmax', [1000, 1, 1]],
    ]);
    expect(graph.logits.name).toBe('predictions');
  });

  it('may end in the means of its last maps and one fully connected layer', () => {
    const graph = new Graph(vgg('vgg16', { head: 'avg', classes: 5 }));
    expect(graph.nodes.slice(-4).map(({ name }) => [name, graph.shape(name)])).toEqual([
      ['block5_pool', [512, 7, 7]],
      ['global_average_pool', [512, 1, 1]],
      ['predictions', [5, 1, 1]],
      ['softmax', [5, 1, 1]],
    ]);
    expect(graph.pooledLayer?.name).toBe('block5_pool');
    expect(graph.curvedAfter('block1_conv1')).toBeUndefined();
  });

  it('is VGGnet-GAP of the CAM paper with a convolution of 1024 maps in the place of the last pooling', () => {
    const graph = new Graph(vgg('vgg16', { head: 'gap' }));
    expect(graph.nodes.slice(-5).map(({ name }) => [name, graph.shape(name)])).toEqual([
      ['block5_conv3', [512, 14, 14]],
      ['cam_conv', [1024, 14, 14]],
      ['global_average_pool', [1024, 1, 1]],
      ['predictions', [1000, 1, 1]],
      ['softmax', [1000, 1, 1]],
    ]);
    expect(graph.pooledLayer?.name).toBe('cam_conv');
    expect(graph.layer().name).toBe('cam_conv');
    expect(graph.layer('features.30').name).toBe('cam_conv');
    const narrow = new Graph(vgg('vgg16', { head: 'gap', width: 1 / 16, classes: 7, inputSize: 64 }));
    expect(narrow.shape('cam_conv')).toEqual([64, 4, 4]);
    expect(narrow.shape('predictions')).toEqual([7, 1, 1]);
  });

  it('has no layer whose means alone make the logits where it ends in three fully connected layers', () => {
    expect(new Graph(vgg('vgg16')).pooledLayer).toBeUndefined();
  });

  it('takes another number of hidden units than its width would give', () => {
    const graph = new Graph(vgg('vgg16', { width: 1 / 8, hiddenUnits: 128, classes: 12 }));
    expect(['block1_conv1', 'block5_conv3', 'fc1', 'fc2', 'predictions'].map((name) => graph.shape(name)[0])).toEqual([
      8, 64, 128, 128, 12,
    ]);
  });

  it('scales to another width, input and number of classes', () => {
    const graph = new Graph(vgg('vgg11', { width: 1 / 64, inputSize: 64, classes: 7 }));
    expect(graph.shape('block1_conv1')).toEqual([1, 64, 64]);
    expect(graph.shape('block5_pool')).toEqual([8, 2, 2]);
    expect(graph.shape('fc1')).toEqual([64, 1, 1]);
    expect(graph.shape('predictions')).toEqual([7, 1, 1]);
    // Rounded, and never to nothing.
    expect(new Graph(vgg('vgg11', { width: 1 / 100 })).shape('block1_conv1')[0]).toBe(1);
    expect(new Graph(vgg('vgg11', { width: 1 / 100 })).shape('block2_conv1')[0]).toBe(1);
    expect(new Graph(vgg('vgg11', { width: 1 / 100 })).shape('block3_conv1')[0]).toBe(3);
  });
});

describe('MODELS', () => {
  const variants = NAMES.flatMap((name) => [name, `${name}-bn`]);
  const pooled = ['vgg16-gap', ...variants.map((name) => `${name}-avg`)];

  it('lists the built-in model and each network in all its forms, under the name of its table', () => {
    expect(MODELS.map(({ name }) => name)).toEqual([BUILT_IN_MODEL, ...variants, ...pooled]);
    for (const model of MODELS) {
      expect(model.table().name).toBe(model.name);
      const graph = new Graph(model.table());
      expect(graph.shape(graph.logits.name)[0]).toBe(model.classes);
      if (model.name === BUILT_IN_MODEL) expectParameters(model, model.table());
      if (model.labels) expect(model.labels).toHaveLength(model.classes);
    }
    const gap = findModel('vgg16-gap');
    expectParameters(gap, gap.table());
  });

  it('knows where the weights of all are but of those that end in a global average pooling', () => {
    for (const model of MODELS) {
      if (pooled.includes(model.name)) {
        expect(() => publishedSource(model)).toThrow(OptionError);
        expect(() => publishedSource(model)).toThrow(
          `weights: not given; needed: a file of your own: no weights of ${model.name} are`,
        );
        continue;
      }
      expect(publishedSource(model)).toBe(model.sources[0]);
      const protocol = model.name === BUILT_IN_MODEL ? 'file:' : 'https:';
      for (const { url } of model.sources) expect(new URL(url).protocol).toBe(protocol);
    }
  });

  it('says which models there are when asked for another', () => {
    expect(() => findModel('resnet50')).toThrow(OptionError);
    expect(() => findModel('resnet50')).toThrow(/"resnet50"; allowed: vgg16-scenes, vgg11, vgg11-bn, .*vgg19-bn/);
  });
});
