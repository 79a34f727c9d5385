/** The network and the explanation of the oracle, whole. */
import { describe, expect, it } from 'vitest';
import { assertClose, dot } from '../harness/assertions.ts';
import { finiteDifferenceGradient } from '../harness/finite-differences.ts';
import { random } from '../harness/random.ts';
import { explain, type ReferenceMethod } from './explain.ts';
import { backward, forward, logits, type Network } from './network.ts';
import { noisySamples } from './noise.ts';
import { oneHot } from './one-hot.ts';
import { sampleMean } from './sample-mean.ts';
import { elementCount, reshape, slice, stack, tensor } from './tensor.ts';

const source = random(1610);
const normal = (shape: readonly number[], scale = 1) =>
  tensor(
    shape,
    source.normals(elementCount(shape)).map((value) => value * scale),
  );

/** A VGG in miniature: 3 × 8 × 8 to 4 classes, with one ReLU that is a layer of its own. */
const NETWORK: Network = [
  conv('block1_conv1', 3, 5),
  conv('block1_conv2', 5, 6),
  { name: 'block1_pool', op: 'maxpool', size: 2, stride: 2 },
  conv('block2_conv1', 6, 7, false),
  { name: 'block2_relu', op: 'relu' },
  { name: 'block2_pool', op: 'maxpool', size: 2, stride: 2 },
  { name: 'flatten', op: 'flatten', order: 'hwc' },
  { name: 'fc1', op: 'dense', weights: normal([28, 9], 0.3), bias: normal([9], 0.1), relu: true },
  { name: 'predictions', op: 'dense', weights: normal([9, 4], 0.5), bias: normal([4], 0.1), relu: false },
];
const INPUT = normal([3, 8, 8]);

function conv(name: string, inputs: number, outputs: number, relu = true): Network[number] {
  const weights = normal([outputs, inputs, 3, 3], Math.sqrt(2 / (9 * inputs)));
  return { name, op: 'conv2d', weights, bias: normal([outputs], 0.1), stride: 1, padding: 1, relu };
}

describe('network', () => {
  const batch = stack([INPUT, normal([3, 8, 8])]);
  const outputs = forward(NETWORK, batch);

  it('treats the samples of a batch independently', () => {
    const alone = logits(NETWORK, forward(NETWORK, stack([slice(batch, 1)])));
    expect(slice(logits(NETWORK, outputs), 1)).toEqual(slice(alone, 0));
  });

  it('goes on from any layer', () => {
    for (const { name } of NETWORK.slice(0, -1)) {
      const rest = forward(NETWORK, outputs.get(name)!, name);
      expect(logits(NETWORK, rest)).toEqual(logits(NETWORK, outputs));
    }
    expect(() => forward(NETWORK, batch, 'block9')).toThrow('block1_conv1');
  });

  it('has the gradient of any logit at every layer and at the input', () => {
    const gradLogits = oneHot([2, 0], 4);
    for (const name of [undefined, ...NETWORK.map((layer) => layer.name)]) {
      const from = name === undefined ? batch : outputs.get(name)!;
      const scalar = (values: Float64Array) => {
        if (name === 'predictions') return dot(values, gradLogits.data);
        return dot(logits(NETWORK, forward(NETWORK, tensor(from.shape, values), name)).data, gradLogits.data);
      };
      const gradient = backward(NETWORK, batch, outputs, gradLogits, name);
      expect(gradient.shape).toEqual(from.shape);
      // At a ReLU's own zeros the differences see its other side: only the cells that are not zero can be compared.
      const differences = finiteDifferenceGradient(scalar, from.data).map((derivative, i) =>
        from.data[i] === 0 ? gradient.data[i]! : derivative,
      );
      assertClose(gradient.data, differences, { what: name ?? 'input', tolerance: 1e-7 });
    }
  });
});

describe('explain', () => {
  const layerName = 'block1_conv2';

  it('is Grad-CAM by the formula', () => {
    const result = explain(NETWORK, INPUT, { method: 'grad-cam', layerName });
    expect(result.map.shape).toEqual([1, 8, 8]);
    const expected = new Float64Array(64);
    for (let k = 0; k < 6; k++) {
      const mean = result.gradients.data.subarray(k * 64, (k + 1) * 64).reduce((a, b) => a + b, 0) / 64;
      for (let cell = 0; cell < 64; cell++) expected[cell]! += mean * result.activations.data[k * 64 + cell]!;
    }
    assertClose(result.signed.data, expected, { tolerance: 1e-13 });
    expect(result.classIndex).toBe(result.logits.data.indexOf(Math.max(...result.logits.data)));
    expect(result.outcome).toBe('ok');
  });

  it('is the same for Grad-CAM++ and Smooth Grad-CAM++ without samples', () => {
    const plain = explain(NETWORK, INPUT, { method: 'grad-cam++', layerName });
    const smooth = explain(NETWORK, INPUT, { method: 'smooth-grad-cam++', layerName, nSamples: 0 });
    expect(smooth).toEqual(plain);
  });

  it('is the same for Grad-CAM++ and one sample without noise', () => {
    const plain = explain(NETWORK, INPUT, { method: 'grad-cam++', layerName });
    const smooth = explain(NETWORK, INPUT, { method: 'smooth-grad-cam++', layerName, nSamples: 3, stdDev: 0 });
    assertClose(smooth.map.data, plain.map.data, { tolerance: 1e-12 });
  });

  it('takes gradients from the noisy samples and feature maps from the clean picture, or their mean', () => {
    const options = { method: 'smooth-grad-cam++', layerName, nSamples: 2, stdDev: 0.3, seed: 5 } as const;
    const samples = noisySamples(INPUT, 2, { stdDev: 0.3, noiseScale: 'relative', seed: 5 });
    const outputs = forward(NETWORK, samples);
    const clean = explain(NETWORK, INPUT, options);
    const classIndex = clean.classIndex;
    const gradients = backward(NETWORK, samples, outputs, oneHot([classIndex, classIndex], 4), layerName);
    assertClose(clean.gradients.data, gradients.data, { tolerance: 1e-13 });
    expect(clean.activations).toEqual(slice(forward(NETWORK, stack([INPUT])).get(layerName)!, 0));
    const mean = explain(NETWORK, INPUT, { ...options, activations: 'mean' });
    const noisy = outputs.get(layerName)!.data;
    const count = clean.activations.data.length;
    assertClose(
      mean.activations.data,
      Float64Array.from({ length: count }, (_, i) => (noisy[i]! + noisy[count + i]!) / 2),
      { tolerance: 1e-13 },
    );
  });

  it('does not change with a constant added to the class’s logit, whatever the sample weights', () => {
    const options = { method: 'smooth-grad-cam++', layerName, nSamples: 3, sampleWeights: 'score' } as const;
    const last = NETWORK.at(-1)!;
    if (last.op !== 'dense') throw new Error('the last layer should be dense');
    const raised: Network = [
      ...NETWORK.slice(0, -1),
      {
        ...last,
        bias: tensor(
          [4],
          last.bias!.data.map((b) => b + 50),
        ),
      },
    ];
    const a = explain(NETWORK, INPUT, options);
    const b = explain(raised, INPUT, options);
    assertClose(b.map.data, a.map.data, { tolerance: 1e-11 });
    const uniform = explain(NETWORK, INPUT, { ...options, sampleWeights: 'uniform' });
    expect(uniform.map.data).not.toEqual(a.map.data);
  });

  it('explains the class it is told', () => {
    const classes = [0, 1, 2, 3].map((classIndex) =>
      explain(NETWORK, INPUT, { method: 'grad-cam++', layerName, classIndex }),
    );
    expect(classes.map((result) => result.classIndex)).toEqual([0, 1, 2, 3]);
    expect(new Set(classes.map((result) => result.signed.data.join())).size).toBe(4);
    const probabilities = classes[0]!.probabilities.data;
    expect(probabilities.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
  });

  it('takes weights from the full maps whatever the subset', () => {
    const options = { method: 'grad-cam++', layerName } as const;
    const full = explain(NETWORK, INPUT, options);
    const part = explain(NETWORK, INPUT, {
      ...options,
      region: true,
      subset: [
        [1, 2],
        [4, 7],
      ],
    });
    expect(part.weights).toEqual(full.weights);
    full.signed.data.forEach((value, cell) => {
      const [row, column] = [Math.floor(cell / 8), cell % 8];
      const inside = row >= 1 && row <= 4 && column >= 2 && column <= 7;
      expect(Math.abs(part.signed.data[cell]!)).toBe(inside ? Math.abs(value) : 0);
    });
  });

  it('says when there is nothing to show', () => {
    /** The class's logit is `factor` times the sum of the feature map, which is the picture itself above 0. */
    const sum = (factor: number): Network => [
      { name: 'maps', op: 'relu' },
      { name: 'flatten', op: 'flatten', order: 'chw' },
      { name: 'logit', op: 'dense', weights: tensor([4, 1], new Array(4).fill(factor)), relu: false },
    ];
    const picture = tensor([1, 2, 2], [1, 2, 0, 3]);
    const outcome = (method: ReferenceMethod, factor: number, input = picture) =>
      explain(sum(factor), input, { method, layerName: 'maps' }).outcome;
    expect(outcome('grad-cam', 1)).toBe('ok');
    expect(outcome('grad-cam', -1)).toBe('negative-only');
    expect(outcome('grad-cam', 0)).toBe('empty');
    expect(outcome('grad-cam', 1, reshape(tensor([4]), [1, 2, 2]))).toBe('empty');
    expect(outcome('grad-cam++', 1)).toBe('ok');
    // 2·g² + 6·g³ ≤ 0 for g = −1, and 0 for g = 0.
    expect(outcome('grad-cam++', -1)).toBe('degenerate');
    expect(outcome('grad-cam++', 0)).toBe('degenerate');
    // g = −0.1: α is finite but ReLU(D1) leaves nothing.
    expect(outcome('grad-cam++', -0.1)).toBe('empty');
    for (const method of ['hires-cam', 'xgrad-cam'] as const) {
      expect([1, -1, 0].map((factor) => outcome(method, factor))).toEqual(['ok', 'negative-only', 'empty']);
      expect(outcome(method, 1, reshape(tensor([4]), [1, 2, 2]))).toBe('empty');
    }
    expect([1, -1, 0].map((factor) => outcome('layer-cam', factor))).toEqual(['ok', 'empty', 'empty']);
  });

  it('takes the mean gradient of the noisy samples for every method', () => {
    const noise = { layerName, nSamples: 3, stdDev: 0.2, seed: 8 };
    const { gradients, activations } = explain(NETWORK, INPUT, { method: 'hires-cam', ...noise });
    const mean = sampleMean(gradients);
    const sums = (weight: (k: number, cell: number) => number) =>
      Float64Array.from({ length: 64 }, (_, cell) => {
        let sum = 0;
        for (let k = 0; k < 6; k++) sum += weight(k, cell) * activations.data[k * 64 + cell]!;
        return sum;
      });
    const cellsOf = (values: Float64Array, k: number) => [...values.subarray(k * 64, (k + 1) * 64)];
    const meanOf = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    const signed = (method: ReferenceMethod) => explain(NETWORK, INPUT, { method, ...noise }).signed.data;
    assertClose(
      signed('hires-cam'),
      sums((k, cell) => mean.data[k * 64 + cell]!),
      { tolerance: 1e-12 },
    );
    assertClose(
      signed('layer-cam'),
      sums((k, cell) => Math.max(0, mean.data[k * 64 + cell]!)),
      { tolerance: 1e-12 },
    );
    assertClose(
      signed('grad-cam'),
      sums((k) => meanOf(cellsOf(mean.data, k))),
      { tolerance: 1e-12 },
    );
    const xGrad = (k: number) => {
      const [a, g] = [cellsOf(activations.data, k), cellsOf(mean.data, k)];
      return meanOf(a.map((value, cell) => value * g[cell]!)) / meanOf(a);
    };
    assertClose(signed('xgrad-cam'), sums(xGrad), { tolerance: 1e-12 });
  });

  it('of HiResCAM sums up to the logit where it is linear in the feature maps, and XGrad-CAM’s sum is the same', () => {
    // Behind block2_pool: flatten, and a dense layer without the ReLU between them.
    const last = NETWORK.at(-1)!;
    if (last.op !== 'dense') throw new Error('the last layer should be dense');
    const linear: Network = [...NETWORK.slice(0, -2), { ...last, weights: normal([28, 4], 0.5), bias: tensor([4]) }];
    const total = (method: ReferenceMethod) => {
      const { signed, logits: scores, classIndex } = explain(linear, INPUT, { method, layerName: 'block2_pool' });
      return signed.data.reduce((a, b) => a + b, 0) / scores.data[classIndex]!;
    };
    expect(total('hires-cam')).toBeCloseTo(1, 12);
    expect(total('xgrad-cam')).toBeCloseTo(1, 12);
    expect(Math.abs(total('grad-cam') - 1)).toBeGreaterThan(1e-3);
  });
});
