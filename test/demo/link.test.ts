/** The page's links: what is in them, and what a link may not do. */
import { MODELS } from 'gradcam-webgpu';
import { describe, expect, it } from 'vitest';
import { isWeightsUrl, linkOf, misfitsOf, stateOf } from '../../demo/link.ts';
import { INITIAL_STATE, type State } from '../../demo/state.ts';

/** Differs from the first state everywhere. */
const OTHER: State = {
  picture: { kind: 'scene', seed: 123_456 },
  model: 'vgg19',
  weights: { kind: 'url', url: 'https://example.org/weights/model.json?key=a+b&part=#none' },
  fit: 'pad',
  preset: 'torch-cam',
  method: 'grad-cam++',
  layerName: 'block3_conv2',
  classIndex: 0,
  otherClass: 999,
  nSamples: 0,
  stdDev: 0.125,
  noiseScale: 'absolute',
  seed: Number.MAX_SAFE_INTEGER,
  steps: 7,
  baseline: 'mean',
  score: 'softmax',
  sampleWeights: 'score',
  alphaNumerator: 'first',
  alphaDenominator: 'sum',
  alphaEpsilon: 1e-8,
  alphaGuard: 'nonzero',
  alphaNormalization: 'positive-gradient',
  alphaGradient: 'last',
  activations: 'mean',
  batch: 3,
  filters: [17, 0, 511],
  cells: {
    kind: 'box',
    corners: [
      [0, 13],
      [7, 2],
    ],
  },
  view: 'classes',
  opacity: 0.05,
  colorMap: 'viridis',
  showsBoxes: true,
  threshold: 0.15,
};

describe('a link', () => {
  it('is empty for what the page opens with', () => {
    expect(linkOf(INITIAL_STATE)).toBe('');
    expect(stateOf('')).toEqual({ state: INITIAL_STATE, unknown: [] });
    expect(stateOf('#')).toEqual({ state: INITIAL_STATE, unknown: [] });
  });

  it.each(Object.keys(OTHER) as (keyof State)[])('has another %s', (key) => {
    expect(OTHER[key]).not.toEqual(INITIAL_STATE[key]);
    expect(stateOf(linkOf(OTHER)).state[key]).toEqual(OTHER[key]);
  });

  it('has neurons one by one', () => {
    const cells = {
      kind: 'cells' as const,
      cells: [
        [3, 4],
        [13, 0],
      ] as const,
    };
    expect(stateOf(linkOf({ ...INITIAL_STATE, cells })).state.cells).toEqual(cells);
    expect(stateOf(linkOf({ ...INITIAL_STATE, cells: { ...cells, cells: [[3, 4]] } })).state.cells).toEqual({
      kind: 'cells',
      cells: [[3, 4]],
    });
  });

  it('has no picture and no file of the visitor’s own', () => {
    const own: State = {
      ...INITIAL_STATE,
      model: 'vgg16',
      picture: { kind: 'own', name: 'holiday.jpg' },
      weights: { kind: 'files', name: 'secret.safetensors' },
    };
    expect(linkOf(own)).toBe('model=vgg16');
  });

  it.each([
    ['picture', 'scene--1'],
    ['picture', 'https://example.org/cat.jpg'],
    ['model', 'resnet50'],
    ['method', 'toString'],
    ['layer', '<b>'],
    ['class', '1.5'],
    ['samples', '-1'],
    ['samples', '10001'],
    ['std-dev', 'NaN'],
    ['std-dev', ''],
    ['seed', '9007199254740993'],
    ['filters', '1,,2'],
    ['cells', '1,2-3'],
    ['cells', '1,2-3,4-5,6'],
    ['opacity', '1.01'],
    ['weights', 'http://example.org/model.json'],
    ['weights', 'data:application/json,{}'],
    ['unheard-of', '1'],
  ])('that says %s=%s is told so, and nothing of it is taken', (field, text) => {
    const fragment = new URLSearchParams({ [field]: text }).toString();
    expect(stateOf(fragment)).toEqual({ state: INITIAL_STATE, unknown: [field] });
  });

  it('cannot give the built-in model weights from elsewhere, or another model those of the page', () => {
    expect(stateOf('weights=https%3A%2F%2Fexample.org%2Fmodel.json').state.weights).toEqual({ kind: 'built-in' });
    for (const { name } of MODELS) {
      const { weights } = stateOf(`model=${name}`).state;
      expect(weights.kind, name).toBe(name === 'vgg16-scenes' ? 'built-in' : 'url');
    }
  });

  it('takes weights over https alone', () => {
    expect(isWeightsUrl('https://example.org/model.json')).toBe(true);
    expect(isWeightsUrl('model.json')).toBe(false);
    expect(isWeightsUrl('javascript:alert(1)')).toBe(false);
  });
});

describe('what a network does not have', () => {
  const layer = (name: string, alias: string, maps: number, side: number) => ({
    name,
    aliases: [alias],
    type: 'conv2d' as const,
    shape: [maps, side, side] as const,
    canBeExplained: name !== 'pool',
  });
  const network = {
    layers: [
      layer('early', 'features.0', 8, 28),
      layer('pool', 'features.1', 8, 14),
      layer('late', 'features.2', 32, 14),
    ],
    defaultLayer: 'late',
    classCount: 12,
    methods: ['smooth-grad-cam++', 'grad-cam'] as const,
  };
  const misfits = (fragment: string) => misfitsOf(stateOf(fragment).state, network);

  it.each([
    '',
    'layer=early&filters=7&cells=27,27',
    'layer=features.0&cells=0,0-27,27',
    'class=11&other=0',
    'filters=0,31&cells=13,13;0,0',
    'method=grad-cam',
  ])('is nothing of %s', (fragment) => {
    expect(misfits(fragment)).toEqual({ change: {}, unknown: [] });
  });

  it.each([
    ['method=cam', { method: 'smooth-grad-cam++' }, ['method=cam']],
    ['layer=nope', { layerName: undefined }, ['layer=nope']],
    ['layer=pool', { layerName: undefined }, ['layer=pool']],
    ['class=12&other=999', { classIndex: undefined, otherClass: undefined }, ['class=12', 'other=999']],
    ['class=3&cells=27,27', { cells: undefined }, ['cells=27,27']],
    ['cells=0,0-13,14', { cells: undefined }, ['cells=0,0-13,14']],
    ['layer=early&filters=1,8', { filters: [] }, ['filters=1,8']],
    [
      'layer=nope&filters=1&cells=1,1',
      { layerName: undefined, filters: [], cells: undefined },
      ['layer=nope', 'filters=1', 'cells=1,1'],
    ],
  ])('is left out of %s', (fragment, change, unknown) => {
    expect(misfits(fragment)).toEqual({ change, unknown });
  });
});
