/** Methods of the caller's own, against those of the table that they restate. */
import { describe, expect } from 'vitest';
import type { CustomMethod } from '../../src/custom-method.ts';
import { defineMethod } from '../../src/define-method.ts';
import { OptionError, OverflowError, ShaderError } from '../../src/errors.ts';
import { explain } from '../../src/explain.ts';
import type { MethodName } from '../../src/methods.ts';
import type { Model } from '../../src/model.ts';
import { explainProgressively } from '../../src/progressive.ts';
import { assertClose, assertRejects, assertSameBits } from '../harness/assertions.ts';
import { gpuTest } from '../harness/gpu.ts';
import { loadSmallVgg, noisyPicture, smallVgg } from '../network/small-vgg.ts';

const VGG = smallVgg({ name: 'vgg11' });
const PICTURE = noisyPicture(5, 32);
const LAYER = 'block4_conv2';
const SMOOTH = { nSamples: 3, stdDev: 0.1, layerName: LAYER, classIndex: 2 } as const;
/** A function that restates Grad-CAM. */
const BY_FUNCTION = defineMethod({
  name: 'by-function',
  weights: async ({ gradients, shape: [maps, height, width] }) => {
    const d1 = await gradients.array();
    const cells = height * width;
    return Float32Array.from({ length: maps }, (_, k) => {
      return d1.subarray(k * cells, (k + 1) * cells).reduce((sum, value) => sum + value, 0) / cells;
    });
  },
});

function modelTest(name: string, work: (model: Model) => Promise<void>): void {
  gpuTest(name, async (gpu) => {
    using model = await loadSmallVgg(gpu, VGG);
    await work(model);
  });
}

describe('a method of the caller’s', () => {
  for (const [method, known] of [
    [defineMethod({ name: 'mean', weights: 'd1 / cells' }), 'grad-cam'],
    [defineMethod({ name: 'cells', map: 'd1' }), 'hires-cam'],
    [defineMethod({ name: 'positive', map: 'max(d1, 0.0)' }), 'layer-cam'],
    [defineMethod({ name: 'share', weights: 'select(0.0, a * d1 / sum_a, sum_a > 0.0)' }), 'xgrad-cam'],
    [defineMethod({ name: 'shares', map: 'select(0.0, d1, sum_a > 0.0)' }), 'hires-cam'],
    [
      defineMethod({
        name: 'alpha',
        weights: 'select(0.0, d2 / (2.0 * d2 + sum_a * d3), 2.0 * d2 + sum_a * d3 > 0.0) * max(d1, 0.0)',
      }),
      'smooth-grad-cam++',
    ],
    [BY_FUNCTION, 'grad-cam'],
  ] as const satisfies [CustomMethod, MethodName][]) {
    modelTest(`makes the map of the one that it restates: ${method.name}, ${known}`, async (model) => {
      const selection = { filters: [3, 0, 17], combineFilters: 'sum' } as const;
      for (const nSamples of [0, 3]) {
        const result = await explain(model, PICTURE, { ...SMOOTH, nSamples, method });
        const expected = await explain(model, PICTURE, { ...SMOOTH, nSamples, method: known });
        const close = { what: `n = ${nSamples}`, tolerance: 1e-5, shape: result.signed.shape };
        assertClose(result.signed.data, expected.signed.data, close);
        assertClose(result.map.data, expected.map.data, close);
        const combined = await result.combine(selection);
        assertClose(combined.signed.data, (await expected.combine(selection)).signed.data, close);
      }
    });
  }

  modelTest('has the same bits however its copies come in batches', async (model) => {
    for (const method of [BY_FUNCTION, defineMethod({ name: 'cells', map: 'd1 * d2' })]) {
      const whole = await explain(model, PICTURE, { ...SMOOTH, method });
      const single = await explain(model, PICTURE, { ...SMOOTH, method, batch: 1 });
      assertSameBits(single.signed.data, whole.signed.data, { what: method.name });
    }
  });

  modelTest('explains each of several classes, and one without a gradient explains all alike', async (model) => {
    for (const method of [BY_FUNCTION, defineMethod({ name: 'mean', weights: 'd1 / cells' })]) {
      const results = await explain(model, PICTURE, { ...SMOOTH, method, classIndex: [1, 4] });
      const alone = await explain(model, PICTURE, { ...SMOOTH, method, classIndex: 4 });
      assertSameBits(results[1]!.signed.data, alone.signed.data, { what: method.name });
    }
    for (const method of [
      defineMethod({ name: 'brightness', map: 'a' }),
      defineMethod({ name: 'flat', weights: '1 / cells' }),
    ]) {
      const call = { method, layerName: LAYER, classIndex: [1, 4] };
      const [first, second] = await explain(model, PICTURE, call);
      assertSameBits(first!.map.data, second!.map.data);
      expect(first!.outcome).toBe('ok');
      expect(first!.provenance.kernels[LAYER]).toBeDefined();
    }
  });

  modelTest('is recorded with its expression, and made again from the record', async (model) => {
    const method = defineMethod({ name: 'positive', map: 'max(d1, 0.0)', title: 'Positive' });
    const result = await explain(model, PICTURE, { ...SMOOTH, method });
    const { options } = JSON.parse(JSON.stringify(result.provenance));
    expect(options.method).toEqual(method);
    const again = await explain(model, PICTURE, options);
    assertSameBits(again.map.data, result.map.data);
  });

  modelTest('grows by an expression, and not by a function', async (model) => {
    const method = defineMethod({ name: 'cells', map: 'd1' });
    const last = { map: new Float32Array(), samples: 0 };
    for await (const { signed, samples } of explainProgressively(model, PICTURE, { ...SMOOTH, method, batch: 2 })) {
      Object.assign(last, { map: signed.data, samples });
    }
    assertSameBits(last.map, (await explain(model, PICTURE, { ...SMOOTH, method })).signed.data);
    const grow = () => explainProgressively(model, PICTURE, { ...SMOOTH, method: BY_FUNCTION }).next();
    await assertRejects(grow, OptionError, /method: got "by-function"; .*weights on the GPU/);
  });

  modelTest('shows what is wrong with it', async (model) => {
    const failure = (definition: Parameters<typeof defineMethod>[0]) => () =>
      explain(model, PICTURE, { ...SMOOTH, method: defineMethod(definition) });
    for (const definition of [
      { name: 'mine', weights: 'd1 * slope' },
      { name: 'mine', map: 'd1 * slope' },
    ] as const) {
      await assertRejects(failure(definition), ShaderError, /of mine.* did not compile[\s\S]*return d1 \* slope;/);
    }
    await assertRejects(
      failure({ name: 'x', weights: 'd1 * exp(100.0 + sum_a)' }),
      OverflowError,
      /"d1 \* exp\(100\.0 \+ sum_a\)" is not finite/,
    );
    const few = { name: 'few', weights: () => Float32Array.of(1, 2) };
    await assertRejects(failure(few), OptionError, /the weights by few: got .*Float32Array of 32 finite numbers/);
    const broken = () => {
      throw new RangeError('no weights today');
    };
    await assertRejects(failure({ name: 'broken', weights: broken }), RangeError, /no weights today/);
    await assertRejects(
      () => explain(model, PICTURE, { method: 'my-cam' as MethodName }),
      OptionError,
      /method: got "my-cam"; .*or one that defineMethod\(\) made/,
    );
  });
});
