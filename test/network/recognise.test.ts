import { describe, expect, it } from 'vitest';
import { WeightsError } from '../../src/errors.ts';
import { Graph } from '../../src/network/graph.ts';
import { MODELS, type ModelVariant, modelTable } from '../../src/network/models.ts';
import { randomWeights } from '../../src/network/random.ts';
import { modelOfFile, recogniseModel } from '../../src/network/recognise.ts';
import { nodeStore } from '../../src/node/files.ts';
import { openWeights, type WeightsFile } from '../../src/weights/source.ts';

const SIZES: readonly ModelVariant[] = [
  {},
  { classes: 7 },
  { inputSize: 64 },
  { width: 1 / 4, classes: 3, inputSize: 96 },
];
const CASES = MODELS.flatMap((known) => SIZES.map((variant) => ({ known, name: known.name, variant })));

describe('a network is told by its tensors', () => {
  it.each(CASES)('$name $variant', ({ known, variant }) => {
    const file = randomWeights(new Graph(modelTable(known, variant)), 1);
    const found = recogniseModel(file);
    expect(found?.known.name).toBe(known.name);
    expect(found?.convention).toBe('keras');
    // Behind a global average pooling, weights are the same for every size of the input.
    const isPooled = known.table().nodes.some(({ op }) => op === 'global-average-pool');
    const { inputSize, ...others } = variant;
    expect(JSON.parse(JSON.stringify(found?.variant))).toEqual(isPooled ? others : variant);
  });

  it("in torchvision's layout, too", async () => {
    const file = await openWeights('models/vgg16-scenes.safetensors', { store: nodeStore() });
    expect(recogniseModel(file)).toMatchObject({ known: { name: 'vgg16-scenes' }, convention: 'torch' });
    await file.close();
  });
});

describe('what is no known network', () => {
  const [{ known }] = CASES.filter(({ name }) => name === 'vgg11') as [(typeof CASES)[number]];
  const file = randomWeights(new Graph(modelTable(known)), 1);
  const changed = (
    change: (tensors: Map<string, typeof file.tensors extends ReadonlyMap<string, infer T> ? T : never>) => void,
  ): WeightsFile => {
    const tensors = new Map(file.tensors);
    change(tensors);
    return { ...file, tensors };
  };

  it.each([
    ['a tensor less', changed((tensors) => tensors.delete('block3_conv1/kernel'))],
    ['a tensor more', changed((tensors) => tensors.set('block6_conv1/kernel', tensors.get('block5_conv1/kernel')!))],
    ['a vector less', changed((tensors) => tensors.delete('fc1/bias'))],
    [
      'another shape',
      changed((tensors) => tensors.set('fc2/kernel', { ...tensors.get('fc2/kernel')!, shape: [4096, 4095] })),
    ],
    [
      'an input that is not square',
      changed((tensors) => tensors.set('fc1/kernel', { ...tensors.get('fc1/kernel')!, shape: [512 * 48, 4096] })),
    ],
  ])('with %s', (_, other) => {
    expect(recogniseModel(other)).toBeUndefined();
    expect(() => modelOfFile(other)).toThrow(WeightsError);
    expect(() => modelOfFile(other)).toThrow(
      /no network that the library knows; name the one .*; expected vgg16-scenes, .*found \d+ tensors: /,
    );
  });

  it('though its index has a name for it', () => {
    expect(() => modelOfFile({ ...file, model: { name: 'resnet50' } })).toThrow(/found resnet50/);
    const own = modelOfFile({ ...file, model: { name: 'vgg11', classes: 5 } });
    expect(own).toMatchObject({ known: { name: 'vgg11' }, variant: { classes: 5 } });
  });
});
