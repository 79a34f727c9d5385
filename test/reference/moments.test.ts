/** The formulas of every score's derivatives, against automatic differentiation of third order and against differences. */
import { describe, expect, it } from 'vitest';
import { assertClose } from '../harness/assertions.ts';
import { random } from '../harness/random.ts';
import { keptClasses } from './class-moments.ts';
import { add, constant, derivatives, divide, exp, type Jet, log, logitJets } from './jet.ts';
import { type Score, scoreMoments } from './moments.ts';
import { backward, forward, logits, type Network } from './network.ts';
import { oneHot } from './one-hot.ts';
import { elementCount, reshape, stack, type Tensor, tensor } from './tensor.ts';

const CLASSES = 5;
const LAYER = 'conv1';

/** 2 × 4 × 4 to five classes: every kind of layer lies behind the first. */
function smallNetwork(seed: number, logitScale: number): Network {
  const source = random(seed);
  const normal = (shape: readonly number[], scale: number) =>
    tensor(
      shape,
      source.normals(elementCount(shape)).map((value) => value * scale),
    );
  const conv = (name: string, inputs: number, outputs: number, relu: boolean): Network[number] => {
    const weights = normal([outputs, inputs, 3, 3], Math.sqrt(2 / (9 * inputs)));
    return { name, op: 'conv2d', weights, bias: normal([outputs], 0.1), stride: 1, padding: 1, relu };
  };
  return [
    conv(LAYER, 2, 3, true),
    conv('conv2', 3, 4, false),
    { name: 'relu', op: 'relu' },
    { name: 'pool', op: 'maxpool', size: 2, stride: 2 },
    { name: 'flatten', op: 'flatten', order: seed % 2 === 0 ? 'hwc' : 'chw' },
    { name: 'fc1', op: 'dense', weights: normal([16, 7], 0.4), bias: normal([7], 0.1), relu: true },
    {
      name: 'predictions',
      op: 'dense',
      weights: normal([7, CLASSES], logitScale),
      bias: normal([CLASSES], 0.1),
      relu: false,
    },
  ];
}

/** Y as the plain function of the logits that it is. */
function scoreJet(score: Score, s: readonly Jet[], c: number): Jet {
  const sum = s.map(exp).reduce(add);
  switch (score) {
    case 'exp':
      return exp(s[c]!);
    case 'logit':
      return s[c]!;
    case 'sigmoid':
      return divide(constant(1), add(constant(1), exp(s[c]!.map((value) => -value) as unknown as Jet)));
    case 'softmax':
      return divide(exp(s[c]!), sum);
    case 'log-softmax':
      return log(divide(exp(s[c]!), sum));
  }
}

function formula(score: Score, network: Network, input: Tensor, c: number) {
  const outputs = forward(network, input);
  const batchLogits = logits(network, outputs);
  const classes = Array.from({ length: CLASSES }, (_, j) =>
    reshape(backward(network, input, outputs, oneHot([j], CLASSES), LAYER), [3, 4, 4]),
  );
  const weights = [Math.exp(batchLogits.data[c]!)];
  const d = scoreMoments(score, c, stack([stack(classes)]), batchLogits, weights, 0);
  return [d.first.data, d.second.data, d.third.data];
}

describe('the derivatives of a score in a piecewise-linear network', () => {
  const SCORES: Score[] = ['exp', 'logit', 'sigmoid', 'softmax', 'log-softmax'];
  for (const score of SCORES) {
    it(`${score}: are those of automatic differentiation, for every class and cell`, () => {
      // The larger the logits, the nearer a probability is to 1.
      for (const [seed, logitScale] of [
        [1, 0.5],
        [2, 3],
      ] as const) {
        const network = smallNetwork(seed, logitScale);
        const input = tensor([1, 2, 4, 4], random(seed + 10).normals(32));
        const output = forward(network, input).get(LAYER)!;
        for (let c = 0; c < CLASSES; c++) {
          const found = formula(score, network, input, c);
          const expected = Array.from({ length: 48 }, (_, cell) =>
            derivatives(scoreJet(score, logitJets(network, LAYER, output, cell), c)),
          );
          found.forEach((d, p) => {
            const what = `D${p + 1} of class ${c}, seed ${seed}`;
            const wanted = expected.map((each) => each[p]!);
            assertClose(d, wanted, { what, tolerance: 1e-11 });
            // Zeros on both sides would prove nothing.
            if (score !== 'logit' || p === 0) expect(Math.max(...wanted.map(Math.abs)), what).toBeGreaterThan(1e-6);
          });
        }
      }
    });

    it(`${score}: are the limits of differences`, () => {
      const network = smallNetwork(3, 0.7);
      const input = tensor([1, 2, 4, 4], random(13).normals(32));
      const output = forward(network, input).get(LAYER)!;
      const c = 3;
      const y = (cell: number, step: number) => {
        const moved = tensor(
          output.shape,
          output.data.map((value, i) => (i === cell ? value + step : value)),
        );
        const s = Array.from(logits(network, forward(network, moved, LAYER)).data, constant);
        return scoreJet(score, s, c)[0];
      };
      // At a ReLU's own zeros the differences see its other side.
      const cells = [...output.data.keys()].filter((cell) => output.data[cell]! > 0.1);
      const [first, second, third] = formula(score, network, input, c);
      const h = 2e-3;
      for (const [d, difference, tolerance] of [
        [first!, (i: number) => (y(i, h) - y(i, -h)) / (2 * h), 1e-5],
        [second!, (i: number) => (y(i, h) - 2 * y(i, 0) + y(i, -h)) / h ** 2, 1e-5],
        [third!, (i: number) => (y(i, 2 * h) - 2 * y(i, h) + 2 * y(i, -h) - y(i, -2 * h)) / (2 * h ** 3), 1e-4],
      ] as const) {
        // Rounding errors of Y, which the third differences magnify most.
        const scale = Math.max(...d.map(Math.abs), 1e-2);
        assertClose(
          cells.map((cell) => d[cell]!),
          cells.map(difference),
          { tolerance, scale },
        );
      }
    });
  }
});

describe('kept classes', () => {
  it('are the fewest whose complement has no more than its share', () => {
    const p = [0.01, 0.9, 0.05, 0.03, 0.01];
    expect(keptClasses(p, 0)).toEqual([1, 2, 3, 0, 4]);
    expect(keptClasses(p, 0.101)).toEqual([1, 2, 3, 0]);
    expect(keptClasses(p, 0.201)).toEqual([1, 2, 3]);
    expect(keptClasses(p, 0.6)).toEqual([1, 2]);
    expect(keptClasses([1, 0, 0], 0)).toEqual([0]);
  });
});
