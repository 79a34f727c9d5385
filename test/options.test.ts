import { describe, expect, it } from 'vitest';
import { OptionError } from '../src/errors.ts';
import { DEFAULT_OPTIONS, type ExplainOptions, MAX_SAMPLES } from '../src/options.ts';
import { type OptionContext, resolveFit, resolveOptions, resolveTopK } from '../src/resolve-options.ts';

/** A model of ten classes whose one layer has 8 maps of 6 × 4 cells. */
const MODEL: OptionContext = {
  classCount: 10,
  resolveLayer(name = 'block5_conv3') {
    if (name !== 'block5_conv3' && name !== 'features.28') throw new OptionError('layerName', name, 'block5_conv3');
    return { name: 'block5_conv3', shape: [8, 6, 4] };
  },
  pooledLayer: undefined,
};
/** One with two layers, whose logits come from the means of the second. */
const POOLED_MODEL: OptionContext = {
  ...MODEL,
  resolveLayer: (name = 'block5_conv3') => ({ name, shape: [8, 6, 4] }),
  pooledLayer: 'block5_pool',
};

function errorOf(options: Record<string, unknown>): OptionError {
  try {
    resolveOptions(options as ExplainOptions, MODEL);
  } catch (error) {
    expect(error).toBeInstanceOf(OptionError);
    return error as OptionError;
  }
  throw new Error(`no error for ${JSON.stringify(options)}`);
}

describe('resolveOptions', () => {
  it('fills in the paper’s defaults', () => {
    expect(resolveOptions({}, MODEL)).toEqual({
      method: 'smooth-grad-cam++',
      layerName: 'block5_conv3',
      nSamples: 0,
      stdDev: 0.15,
      noiseScale: 'relative',
      seed: 0,
      steps: 50,
      baseline: 'black',
      score: 'exp',
      maxDroppedShare: 0.001,
      sampleWeights: 'uniform',
      preset: undefined,
      alphaNumerator: 'second',
      alphaDenominator: 'cell',
      alphaEpsilon: 0,
      alphaGuard: 'positive',
      alphaNormalization: 'none',
      alphaGradient: 'mean',
      activations: 'clean',
      filters: undefined,
      combineFilters: 'each',
      region: false,
      subset: undefined,
      classIndex: undefined,
      fit: 'squash',
      batch: undefined,
      topK: 5,
    });
  });

  it('takes what a preset sets, by whether there is noise, and what is given beside it', () => {
    expect(resolveOptions({ preset: 'torch-cam' }, MODEL)).toMatchObject({
      preset: 'torch-cam',
      method: 'grad-cam++',
      alphaDenominator: 'none',
      activations: 'clean',
      noiseScale: 'absolute',
      stdDev: 0.3,
    });
    const options = { preset: 'torch-cam', nSamples: 4, stdDev: 0.1, activations: 'clean', alphaGradient: undefined };
    const resolved = resolveOptions(options as ExplainOptions, MODEL);
    expect(resolved).toMatchObject({
      preset: 'torch-cam',
      method: 'smooth-grad-cam++',
      alphaDenominator: 'sum',
      alphaEpsilon: 1e-8,
      alphaGradient: 'last',
      activations: 'clean',
      stdDev: 0.1,
    });
    expect(resolveOptions(resolved, MODEL)).toEqual(resolved);
  });

  it('has no layer for methods at the input', () => {
    const resolved = resolveOptions({ method: 'smooth-grad', nSamples: 4 }, MODEL);
    expect(resolved).toMatchObject({ method: 'smooth-grad', nSamples: 4, layerName: undefined });
    expect(resolveOptions(resolved, MODEL)).toEqual(resolved);
    for (const option of [{ layerName: 'block5_conv3' }, { filters: [0] }, { subset: [[0, 0]] }, { region: true }]) {
      const error = errorOf({ method: 'gradient', ...option });
      expect(error.option).toBe(Object.keys(option)[0]);
      expect(error.message).toContain("nothing: Gradient explains the model's input");
    }
  });

  it('has the pooled layer by default, and no other, for a method that is made for it', () => {
    const resolved = resolveOptions({ method: 'cam' }, POOLED_MODEL);
    expect(resolved).toMatchObject({ method: 'cam', layerName: 'block5_pool', nSamples: 0 });
    expect(resolveOptions(resolved, POOLED_MODEL)).toEqual(resolved);
    expect(resolveOptions({ method: 'grad-cam' }, POOLED_MODEL).layerName).toBe('block5_conv3');
    expect(() => resolveOptions({ method: 'cam', layerName: 'block5_conv3' }, POOLED_MODEL)).toThrow(
      /layerName: got "block5_conv3"; allowed: block5_pool: CAM .* alone; hires-cam and grad-cam explain the other layers/,
    );
    expect(() => resolveOptions({ method: 'cam', nSamples: 2 }, POOLED_MODEL)).toThrow(
      /nSamples: got 2; allowed: 0: CAM takes no gradient that noise could smooth/,
    );
  });

  it('takes undefined for absent, and resolves the layer’s alias', () => {
    const options = { method: undefined, seed: undefined, topK: undefined, layerName: 'features.28' };
    const resolved = resolveOptions(options, MODEL);
    expect(resolved.method).toBe(DEFAULT_OPTIONS.method);
    expect(resolved.seed).toBe(0);
    expect(resolved.layerName).toBe('block5_conv3');
  });

  it('leaves out what belongs to the call alone', () => {
    const resolved = resolveOptions({ signal: new AbortController().signal, onProgress: () => {} }, MODEL);
    expect(Object.keys(resolved)).not.toContain('signal');
    expect(Object.keys(resolved)).not.toContain('onProgress');
  });

  it('takes every value up to the edge of what is allowed', () => {
    const edges: ExplainOptions[] = [
      { nSamples: 0 },
      { nSamples: MAX_SAMPLES },
      { method: 'eigen-cam', nSamples: 2, activations: 'mean' },
      { stdDev: 0 },
      { seed: Number.MAX_SAFE_INTEGER },
      { batch: 1 },
      { classIndex: 0 },
      { classIndex: 9 },
      { filters: [0, 7, 7] },
      { subset: [[0, 0]] },
      { subset: [[5, 3]] },
      {
        region: true,
        subset: [
          [5, 3],
          [0, 0],
        ],
      },
      { topK: 1 },
    ];
    for (const options of edges) expect(resolveOptions(options, MODEL)).toMatchObject(options);
  });

  it.each([
    ['method', { method: 'gradcam' }, /"gradcam"; allowed: grad-cam, hires-cam, .*, smooth-grad-cam\+\+, /],
    ['method', { method: 'GradCAM' }, /got "GradCAM"; allowed: .*defineMethod\(\) made; the nearest is grad-cam$/],
    ['method', { method: 'lime' }, /got "lime"; allowed: .*or one that defineMethod\(\) made$/],
    ['preset', { preset: 'torchcam' }, /got "torchcam"; allowed: .*; the nearest is torch-cam$/],
    ['method', { method: 'cam' }, /got "cam"; allowed: hires-cam or grad-cam: CAM .* this network does not end so/],
    ['layerName', { layerName: 'conv9' }, /"conv9"; allowed: block5_conv3/],
    ['nSamples', { nSamples: -1 }, /got -1; allowed: a whole number from 0 to 10000/],
    ['nSamples', { nSamples: 1.5 }, /got 1\.5/],
    ['nSamples', { nSamples: MAX_SAMPLES + 1 }, /got 10001/],
    ['nSamples', { nSamples: '3' }, /got "3"/],
    ['stdDev', { stdDev: -0.1 }, /got -0\.1; allowed: a finite number of at least 0/],
    ['stdDev', { stdDev: Number.NaN }, /got NaN/],
    ['stdDev', { stdDev: Number.POSITIVE_INFINITY }, /got Infinity/],
    ['stdDev', { stdDev: '0.1' }, /got "0\.1"/],
    ['noiseScale', { noiseScale: 'percent' }, /relative, absolute/],
    ['seed', { seed: -1 }, /got -1/],
    ['seed', { seed: 2 ** 53 }, /9007199254740991/],
    ['seed', { seed: Number.NaN }, /got NaN/],
    ['score', { score: 'probability' }, /allowed: exp, logit, sigmoid, softmax, log-softmax$/],
    ['maxDroppedShare', { maxDroppedShare: 1 }, /got 1; allowed: a share of at least 0 and below 1/],
    ['maxDroppedShare', { maxDroppedShare: -0.1 }, /got -0\.1/],
    ['maxDroppedShare', { maxDroppedShare: Number.NaN }, /got NaN/],
    ['sampleWeights', { score: 'logit', sampleWeights: 'score' }, /allowed: 'uniform' with score logit: .* exp's/],
    ['sampleWeights', { sampleWeights: 'scores' }, /uniform, score/],
    ['alphaNumerator', { alphaNumerator: 'third' }, /second, first/],
    ['activations', { activations: 'noisy' }, /clean, mean, last/],
    ['preset', { preset: 'captum' }, /got "captum"; allowed: paper-eq7, grad-cam\+\+, official, torch-cam, /],
    ['alphaDenominator', { alphaDenominator: 'map' }, /cell, sum, none/],
    ['alphaEpsilon', { alphaEpsilon: -1e-8 }, /a number from 0 to 1/],
    ['alphaEpsilon', { alphaEpsilon: Number.NaN }, /a number from 0 to 1/],
    ['alphaGuard', { alphaGuard: 'none' }, /positive, nonzero/],
    ['alphaNormalization', { alphaNormalization: 'sum' }, /none, all, positive-gradient/],
    ['alphaGradient', { alphaGradient: 'first' }, /mean, last/],
    ['combineFilters', { combineFilters: 'max' }, /each, sum/],
    ['fit', { fit: 'stretch' }, /squash, crop, pad/],
    ['batch', { batch: 0 }, /a whole number from 1/],
    [
      'nSamples',
      { method: 'eigen-cam', nSamples: 2 },
      /got 2; allowed: 0: Eigen-CAM takes no gradient .* activations mean/,
    ],
    ['nSamples', { method: 'score-cam', nSamples: 2, activations: 'mean' }, /got 2; allowed: 0: Score-CAM .* no noise/],
    ['classIndex', { classIndex: 10 }, /got 10; allowed: a whole number from 0 to 9/],
    ['classIndex', { classIndex: -1 }, /got -1/],
    ['topK', { topK: 0 }, /a whole number from 1/],
    ['kernels', { kernels: 'direct' }, /got "direct"; allowed: names by convolution/],
    ['timestamps', { timestamps: 1 }, /got 1; allowed: true or false/],
    ['tolerance', { tolerance: 0.05 }, /got 0\.05; allowed: nothing .*: it is an option of explainProgressively\(\)/],
    ['stop', { stop: AbortSignal.abort() }, /it is an option of explainProgressively\(\)/],
    ['filters', { filters: [] }, /non-empty list/],
    ['filters', { filters: 3 }, /non-empty list/],
    [
      'filters',
      { filters: [0, 8] },
      /got 8; allowed: a whole number from 0 to 7 \(layer block5_conv3 has 8 maps of 6 × 4/,
    ],
    ['filters', { filters: [0.5] }, /got 0\.5/],
    ['region', { region: 'yes' }, /true or false/],
    ['region', { region: true }, /goes with subset/],
    ['subset', { subset: [] }, /non-empty list/],
    ['subset', { region: true, subset: [[0, 0]] }, /two corners/],
    ['subset', { subset: [[0, 0, 0]] }, /cells as \[row, column\]/],
    ['subset', { subset: [3] }, /cells as \[row, column\]/],
    ['subset row', { subset: [[6, 0]] }, /got 6; allowed: a whole number from 0 to 5 \(layer block5_conv3/],
    ['subset column', { subset: [[0, 4]] }, /got 4; allowed: a whole number from 0 to 3/],
    [
      'subset row',
      {
        region: true,
        subset: [
          [0, 0],
          [-1, 2],
        ],
      },
      /got -1/,
    ],
  ])('refuses a bad %s: %j', (option, options, message) => {
    const error = errorOf(options);
    expect(error.option).toBe(option);
    expect(error.code).toBe('option');
    expect(error.message).toMatch(message);
  });
});

describe('resolveTopK and resolveFit', () => {
  it('have the same defaults and checks as an explanation', () => {
    expect([resolveTopK(), resolveTopK(3), resolveFit(), resolveFit('pad')]).toEqual([5, 3, 'squash', 'pad']);
    expect(() => resolveTopK(Number.NaN)).toThrow(OptionError);
    expect(() => resolveFit('fill' as 'pad')).toThrow(OptionError);
  });
});
