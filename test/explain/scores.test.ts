/** Every score with every kind of weights, against the float64 oracle. Imports nothing of Node: it serves every runtime. */
import { describe } from 'vitest';
import { defineMethod } from '../../src/define-method.ts';
import { explain } from '../../src/explain.ts';
import type { ExplainOptions } from '../../src/options.ts';
import { thorough } from '../harness/adapter.ts';
import { assert, assertClose, assertEqual, assertSameBits } from '../harness/assertions.ts';
import { gpuTest } from '../harness/gpu.ts';
import { loadSmallVgg, noisyPicture, smallVgg } from '../network/small-vgg.ts';
import { assertExplains, mapTolerance, type ReferenceCase, referenceOf } from './oracle.ts';

const VGG = smallVgg({ name: 'vgg11', inputSize: 64, seed: 11 });
const PICTURE = noisyPicture(1, 48, 40);
/**
 * With this seed and at block5_conv2 no cell with D1 > 0 lies close to a pole of α, which would magnify rounding errors: by the
 * oracle, weights that are off by 1e-7 change no map by more than 2e-5 of its greatest value.
 */
const NOISE = { nSamples: 3, stdDev: 0.1, seed: 12 } as const;
const SCORES = ['logit', 'sigmoid', 'softmax', 'log-softmax'] as const;
const ALL_CLASSES = { maxDroppedShare: 0 } as const;

describe('an explanation by another score is the oracle’s', () => {
  for (const layout of ['keras', 'torchvision'] as const) {
    const reference: ReferenceCase = { vgg: VGG, layout, picture: PICTURE };
    // With inputs of 0 … 255 logits are about 40: e^−S is then as wrong as S's digits behind the point.
    for (const score of layout === 'keras' ? SCORES.filter((name) => name !== 'sigmoid') : SCORES) {
      gpuTest(`${score} (${layout})`, async (gpu) => {
        using model = await loadSmallVgg(gpu, VGG, layout);
        const cases: ExplainOptions[] = [
          { method: 'smooth-grad-cam++', layerName: 'block5_conv2', ...NOISE },
          { method: 'grad-cam', layerName: 'block4_conv2', ...NOISE },
          { method: 'grad-cam++', layerName: 'block5_conv2', classIndex: 7 },
          { method: 'layer-cam', layerName: 'block3_conv1' },
          { method: 'hires-cam', layerName: 'block5_pool', ...NOISE, classIndex: 2 },
          { method: 'smooth-grad-cam++', layerName: 'block5_conv2', ...NOISE, alphaNumerator: 'first' },
          { method: 'xgrad-cam', layerName: 'block5_conv1', ...NOISE, activations: 'mean' },
        ];
        for (const options of thorough ? cases : cases.filter((_, i) => i % 2 === 0)) {
          const result = await assertExplains(model, reference, { ...options, ...ALL_CLASSES, score });
          assertEqual(result.droppedMass, 0, 'dropped mass');
        }
      });
    }
  }

  gpuTest('logit leaves nothing of α', async (gpu) => {
    using model = await loadSmallVgg(gpu, VGG);
    const result = await explain(model, PICTURE, { score: 'logit', ...NOISE });
    assertEqual([result.outcome, result.alphaZeroCells], ['degenerate', result.alphaCells]);
  });
});

describe('classes of little probability', () => {
  const options = { method: 'smooth-grad-cam++', layerName: 'block5_conv2', score: 'softmax', ...NOISE } as const;

  gpuTest('are left out of the second and third derivative, and reported', async (gpu) => {
    using model = await loadSmallVgg(gpu, VGG);
    const reference: ReferenceCase = { vgg: VGG, layout: 'torchvision', picture: PICTURE };
    let before = Number.POSITIVE_INFINITY;
    for (const maxDroppedShare of [0, 0.05, 0.4, 0.8]) {
      const result = await assertExplains(model, reference, { ...options, maxDroppedShare });
      const kept = result.keptClasses as number;
      assert(kept <= before && kept >= 1, `a larger share must not keep more classes: ${kept} after ${before}`);
      assert(result.droppedMass > 0 === maxDroppedShare > 0, `dropped mass ${result.droppedMass}`);
      assert(result.droppedMass <= maxDroppedShare, `dropped mass ${result.droppedMass} of ${maxDroppedShare}`);
      before = kept;
    }
    assert(before < model.classCount, 'a large share must leave classes out');
  });

  gpuTest('cost nothing where only the first derivative is taken', async (gpu) => {
    using model = await loadSmallVgg(gpu, VGG);
    const first = await explain(model, PICTURE, { ...options, method: 'grad-cam' });
    assertEqual([first.keptClasses, first.droppedMass], [undefined, 0]);
    const exp = await explain(model, PICTURE, { ...options, score: 'exp' });
    assertEqual([exp.keptClasses, exp.droppedMass], [undefined, 0]);
    const kept = (map: string) =>
      explain(model, PICTURE, { ...options, method: defineMethod({ name: 'own', map }) }).then(
        (own) => own.keptClasses,
      );
    assertEqual(await kept('2.0 * d1'), undefined, 'kept classes of an expression of d1');
    assert(Number(await kept('d1 * d2')) > 1, 'an expression of d2 needs the other classes');
  });
});

describe('scores', () => {
  gpuTest('are what integrated gradients make up, from the baseline to the picture', async (gpu) => {
    using model = await loadSmallVgg(gpu, smallVgg({ name: 'vgg11', seed: 11 }));
    const gains = new Set<number>();
    for (const score of ['exp', ...SCORES] as const) {
      const options = { method: 'integrated-gradients', score, steps: 150, classIndex: 3 } as const;
      const { completeness } = await explain(model, PICTURE, options);
      const { gained, gap } = completeness!;
      assert(Math.abs(gap) <= 0.01 * Math.abs(gained), `${score} gains ${gained} with a gap of ${gap}`);
      gains.add(gained);
    }
    assertEqual(gains.size, SCORES.length, 'differing gains; exp has that of logit');
  });

  gpuTest('differ at the input as they do at a layer', async (gpu) => {
    using model = await loadSmallVgg(gpu, VGG);
    const signed = async (score: ExplainOptions['score']) => explain(model, PICTURE, { method: 'gradient', score });
    const [softmax, log] = [await signed('softmax'), await signed('log-softmax')];
    const { probability } = softmax.predictions[0]!;
    const expected = log.signed.data.map((value) => probability * value);
    assertClose(softmax.signed.data, expected, { what: 'p times the gradient of log p', tolerance: 2 ** -18 });
  });

  gpuTest('have the same bits however the samples are split, and for a class among several', async (gpu) => {
    using model = await loadSmallVgg(gpu, VGG);
    const classes = [4, 0, 9];
    for (const score of SCORES) {
      for (const method of ['smooth-grad-cam++', 'layer-cam'] as const) {
        const options = { ...NOISE, method, score, layerName: 'block4_conv1', nSamples: 4, maxDroppedShare: 0.2 };
        const whole = await explain(model, PICTURE, { ...options, classIndex: 0 });
        for (const batch of [1, 2, 3]) {
          const split = await explain(model, PICTURE, { ...options, classIndex: 0, batch });
          assertSameBits(split.signed.data, whole.signed.data, { what: `${score}, ${method}, batches of ${batch}` });
          assertEqual([split.keptClasses, split.droppedMass], [whole.keptClasses, whole.droppedMass]);
        }
        const several = await explain(model, PICTURE, { ...options, classIndex: classes, batch: 3 });
        assertSameBits(several[1]!.signed.data, whole.signed.data, { what: `${score}, ${method}, among several` });
      }
    }
  });

  gpuTest('keep their digits where a probability is nearly 1', async (gpu) => {
    // Logits 200 times as large.
    const confident = smallVgg({ name: 'vgg11', inputSize: 64, seed: 11 });
    const last = confident.dense.at(-1)!;
    for (const { data } of [last.weights, last.bias]) data.set(data.map((value) => 200 * value));
    const reference: ReferenceCase = { vgg: confident, layout: 'torchvision', picture: PICTURE };
    using model = await loadSmallVgg(gpu, confident);
    const options = { method: 'grad-cam', layerName: 'block5_conv2' } as const;
    for (const score of ['softmax', 'log-softmax'] as const) {
      const expected = referenceOf(reference, { ...options, score });
      const p = expected.probabilities.data[expected.classIndex]!;
      assert(p > 1 - 1e-4 && p < 1, `the class should be nearly sure, but has ${p}`);
      const { signed } = await explain(model, PICTURE, { ...options, score });
      assertClose(signed.data, expected.signed.data, { what: score, tolerance: 10 * mapTolerance(model) });
    }
  });
});
