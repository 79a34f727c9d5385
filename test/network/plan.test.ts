/** Plans of every VGG, layer and number of samples, without a GPU: shapes and limits are all that a plan depends on. */
import { describe, expect, it } from 'vitest';
import { LimitError, OptionError } from '../../src/errors.ts';
import { type Convention, elementsOf, Graph } from '../../src/network/graph.ts';
import { tensorName } from '../../src/network/lifetimes.ts';
import { type Plan, planExplanation, WORKING_BYTES } from '../../src/network/plan.ts';
import { splitMasked, splitSamples } from '../../src/network/split.ts';
import { classByClass, kernelsOf, type PlanRequest, type Step, weightsNeeded } from '../../src/network/steps.ts';
import { VGG_NAMES, vgg } from '../../src/network/vgg.ts';
import type { KernelChoices } from '../../src/options.ts';

const MIB = 2 ** 20;
/** What WebGPU guarantees; what a large GPU gives; and so little that VGG's largest layer fits once. */
const LIMITS = {
  default: { maxBufferSize: 256 * MIB, maxStorageBufferBindingSize: 128 * MIB },
  huge: { maxBufferSize: 2 ** 40, maxStorageBufferBindingSize: 2 ** 40 },
  tiny: { maxBufferSize: 13 * MIB, maxStorageBufferBindingSize: 13 * MIB },
} as const;
const CONVENTIONS: Convention[] = ['keras', 'torch'];
const POOLED = (['avg', 'gap'] as const).map((head) => new Graph(vgg('vgg16', { head })));
const GRAPHS = [...VGG_NAMES.map((name) => new Graph(vgg(name))), ...POOLED];
const VGG16 = new Graph(vgg('vgg16'));

/** block1 of VGG at 224 × 224: 64 maps, the largest tensor of all. */
const LARGEST_TENSOR_BYTES = 64 * 224 * 224 * 4;

function plan(request: Partial<PlanRequest> = {}): Plan {
  return planExplanation({
    graph: VGG16,
    convention: 'torch',
    target: 'block5_conv3',
    samples: 0,
    limits: LIMITS.default,
    traits: { subgroupSize: 0, isSoftware: false },
    ...request,
  });
}

/** Chooses a kernel wherever it can be. */
function always(variant: string): NonNullable<PlanRequest['tuner']> {
  return { choose: ({ candidates }) => candidates.find((name) => name === variant) ?? candidates[0]! };
}

/** Every VGG, layer and convention, and the input. */
function* targets(): Generator<Pick<PlanRequest, 'graph' | 'convention' | 'target'>> {
  for (const graph of GRAPHS) {
    for (const { name } of [graph.input, ...graph.layers])
      for (const convention of CONVENTIONS) yield { graph, convention, target: name };
  }
}

describe('kernels in float16', () => {
  const kernels = (request: Partial<PlanRequest>) => {
    const choices = Object.values(kernelsOf(plan({ precision: 'f16', ...request })));
    const isHalf = (direction: 'forward' | 'grad-input') =>
      new Set(choices.flatMap((choice) => choice[direction]?.startsWith('half-gemm-') ?? []));
    return { forward: [...isHalf('forward')], back: [...isHalf('grad-input')] };
  };

  it('are taken both ways where maps do not show which cell max-pooling takes, else on the way back', () => {
    expect(kernels({ target: undefined })).toEqual({ forward: [true], back: [] });
    expect(kernels({ target: 'block5_conv1' })).toEqual({ forward: [true], back: [true] });
    expect(kernels({ target: 'block5_conv1', cellsStandAlone: true })).toEqual({ forward: [false], back: [true] });
    expect(kernels({ target: 'block4_conv3' })).toEqual({ forward: [false], back: [true] });
    expect(kernels({ target: 'block5_conv1', precision: 'f16-storage' })).toEqual({ forward: [false], back: [false] });
  });

  it('have room for the magnitudes of every row', () => {
    const { tensors, rows } = plan({ precision: 'f16', samples: 5 });
    expect(tensors.get(tensorName.scratch('block3_conv1', 'forward', 'magnitudes'))).toMatchObject({ words: 16, rows });
  });
});

describe('splitSamples', () => {
  it('takes every sample once, in order, in equal batches as few as can be, the clean picture in the first', () => {
    for (let samples = 0; samples <= 60; samples++) {
      for (let maxRows = 1; maxRows <= samples + 3; maxRows++) {
        const batches = splitSamples(samples, maxRows);
        expect(batches.length).toBe(Math.ceil((samples + 1) / maxRows));
        expect(batches.map(({ clean }) => clean)).toEqual(batches.map((_, i) => (i === 0 ? 1 : 0)));
        const covered = batches.flatMap(({ firstSample, noisy }) =>
          Array.from({ length: noisy }, (_, i) => firstSample + i),
        );
        expect(covered).toEqual(Array.from({ length: samples }, (_, m) => m));
        const rows = batches.map(({ noisy, clean }) => noisy + clean);
        expect(Math.max(...rows)).toBeLessThanOrEqual(maxRows);
        expect(Math.max(...rows) - Math.min(...rows)).toBeLessThanOrEqual(1);
      }
    }
  });

  it('takes gradients of the noisy samples, and of the clean picture where there are none', () => {
    expect(splitSamples(0, 4)).toEqual([{ firstSample: 0, noisy: 0, clean: 1, gradients: 1 }]);
    expect(splitSamples(4, 3)).toEqual([
      { firstSample: 0, noisy: 2, clean: 1, gradients: 2 },
      { firstSample: 2, noisy: 2, clean: 0, gradients: 2 },
    ]);
    expect(splitSamples(1, 1)).toEqual([
      { firstSample: 0, noisy: 0, clean: 1, gradients: 0 },
      { firstSample: 0, noisy: 1, clean: 0, gradients: 1 },
    ]);
    expect(() => splitSamples(1, 0)).toThrow(OptionError);
  });

  it('takes no gradients of the samples at the end that are scored only', () => {
    const gradients = (samples: number, maxRows: number) =>
      splitSamples(samples, maxRows, 1).map((batch) => batch.gradients);
    expect(gradients(4, 10)).toEqual([3]);
    expect(gradients(4, 2)).toEqual([1, 2, 0]);
    expect(gradients(2, 1)).toEqual([0, 1, 0]);
  });
});

describe('splitMasked', () => {
  it('takes the clean picture first, then every copy once, in order, in equal batches as few as can be', () => {
    for (let copies = 1; copies <= 40; copies++) {
      for (let maxRows = 1; maxRows <= copies + 2; maxRows++) {
        const [clean, ...batches] = splitMasked(copies, maxRows);
        expect(clean).toEqual({ firstSample: 0, noisy: 0, clean: 1, gradients: 0 });
        expect(batches.length).toBe(Math.ceil(copies / maxRows));
        const covered = batches.flatMap(({ masked }) =>
          Array.from({ length: masked!.count }, (_, i) => masked!.first + i),
        );
        expect(covered).toEqual(Array.from({ length: copies }, (_, k) => k));
        const counts = batches.map(({ masked }) => masked!.count);
        expect(Math.max(...counts)).toBeLessThanOrEqual(maxRows);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        expect(batches.every(({ noisy, clean, gradients }) => noisy + clean + gradients === 0)).toBe(true);
      }
    }
  });
});

describe('a plan of masked copies', () => {
  const copies = (request: Partial<PlanRequest>) =>
    plan({ masked: { from: VGG16.input.name, count: 512 }, ...request });

  it('has no way back, keeps nothing for one, and fits the memory', () => {
    const { steps, tensors, batches, rows, bufferBytes } = copies({});
    expect(
      steps.map(({ kind }) => kind).filter((kind) => !['input', 'forward', 'capture', 'logits'].includes(kind)),
    ).toEqual([]);
    expect([...tensors.keys()].filter((name) => /gradient|mask|codes/.test(name))).toEqual([]);
    expect(batches.reduce((sum, { masked }) => sum + (masked?.count ?? 0), 0)).toBe(512);
    expect(rows).toBe(Math.max(...batches.map(({ masked }) => masked?.count ?? 1)));
    expect(rows).toBeGreaterThan(4);
    expect(bufferBytes.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(WORKING_BYTES);
    expect(copies({ batch: 3 }).rows).toBe(3);
  });

  it('gives the layers in front of the place where they begin one row, and needs few batches behind it', () => {
    const { tensors, rows, batches } = copies({ masked: { from: 'block5_conv3', count: 512 } });
    const rowsOf = (node: string) => tensors.get(tensorName.activation(node))!.rows;
    expect(rowsOf('block1_conv1')).toBe(1);
    expect(rowsOf('block5_conv2')).toBe(1);
    for (const node of ['block5_conv3', 'block5_pool', 'fc1', 'predictions']) expect(rowsOf(node)).toBe(rows);
    expect(rows).toBeGreaterThan(100);
    expect(batches.length).toBeLessThanOrEqual(6);
  });
});

describe('planExplanation', () => {
  it('splits 25 samples of VGG-16 in four under the default limits', () => {
    const { batches, rows } = plan({ samples: 25 });
    expect(batches.map(({ noisy, clean }) => noisy + clean)).toEqual([7, 7, 6, 6]);
    expect(rows).toBe(7);
  });

  it.each(Object.keys(LIMITS) as (keyof typeof LIMITS)[])('uses %s limits and its memory as far as they go', (name) => {
    const limits = LIMITS[name];
    for (const target of targets()) {
      for (const samples of [0, 1, 2, 5, 9, 10, 25, 100]) {
        const { batches, rows, tensors, bufferBytes } = plan({ ...target, samples, limits });
        expect(rows).toBe(Math.max(...batches.map(({ noisy, clean }) => noisy + clean)));
        const largestTensor = 4 * Math.max(...[...tensors.values()].map(({ words }) => words));
        const rowBytes = bufferBytes.reduce((a, b) => a + b, 0) / rows;
        const fits = (count: number) =>
          count * largestTensor <= limits.maxStorageBufferBindingSize &&
          (count === 1 || count * rowBytes <= WORKING_BYTES);
        expect(fits(rows)).toBe(true);
        // One batch less would not do.
        if (batches.length > 1) expect(fits(Math.ceil((samples + 1) / (batches.length - 1)))).toBe(false);
      }
    }
  });

  it('keeps to the caller’s bound on the batch, and to the limits’ if that is lower', () => {
    const sizes = (batch: number, samples = 12) =>
      plan({ samples, batch }).batches.map(({ noisy, clean }) => noisy + clean);
    expect(sizes(5)).toEqual([5, 4, 4]);
    expect(sizes(1, 2)).toEqual([1, 1, 1]);
    expect(sizes(100)).toEqual([7, 6]);
  });

  it('names the limit that one sample exceeds', () => {
    const bytes = LARGEST_TENSOR_BYTES;
    const error = (limits: PlanRequest['limits'], request: Partial<PlanRequest> = {}) => {
      try {
        plan({ limits, ...request });
      } catch (caught) {
        expect(caught).toBeInstanceOf(LimitError);
        return caught as LimitError;
      }
      throw new Error('the plan fits');
    };
    const binding = error({ maxBufferSize: 256 * MIB, maxStorageBufferBindingSize: bytes - 1 });
    expect(binding).toMatchObject({ limit: 'maxStorageBufferBindingSize', needed: bytes, available: bytes - 1 });
    expect(binding.message).toMatch(/^vgg16: activation of block1_conv1 of one sample: needs/);
    const buffer = error({ maxBufferSize: bytes - 1, maxStorageBufferBindingSize: 128 * MIB });
    expect(buffer).toMatchObject({ limit: 'maxBufferSize', needed: bytes, available: bytes - 1 });
    // Predictions alone need the same layers.
    error({ maxBufferSize: bytes - 1, maxStorageBufferBindingSize: bytes - 1 }, { target: undefined });
  });

  it('keeps every tensor’s bytes from the step that writes it to the last that reads it', () => {
    for (const target of targets()) {
      for (const samples of [0, 3]) simulate(target.graph, target.convention, plan({ ...target, samples }));
    }
    for (const convention of CONVENTIONS) simulate(VGG16, convention, plan({ convention, target: undefined }));
  });

  it('keeps the weights that a step makes until it has used them', () => {
    for (const target of ['block1_conv1', 'block3_conv2', 'block5_conv2']) {
      const made = plan({ target, samples: 7, tuner: always('winograd-4') });
      expect([...made.tensors.keys()].join()).toMatch(/weights of block[45]_conv3/);
      simulate(VGG16, 'torch', made);
    }
  });

  it('keeps what guided backpropagation asks for, and of what a deconvnet does not ask for nothing', () => {
    for (const graph of GRAPHS) {
      for (const convention of CONVENTIONS) {
        for (const rule of ['guided', 'deconvnet'] as const) {
          const made = plan({ graph, convention, target: 'input', rule, samples: 2 });
          simulate(graph, convention, made, rule);
          const masks = [...made.tensors.keys()].filter((name) => name.startsWith('mask'));
          const layersOf = (op: string) => graph.layers.filter((node) => node.op === op);
          // Convolutions in front of a max-pooling have their bits in its codes.
          const others = layersOf('conv2d').length - layersOf('maxpool').length;
          expect(masks).toHaveLength(rule === 'guided' ? others : 0);
        }
      }
    }
  });

  it('keeps what a second way back needs, to the input', () => {
    for (const { target: layer, ...target } of targets()) {
      if (layer === 'input') continue;
      const made = plan({ ...target, target: 'input', rule: 'guided', layer, samples: 2, classes: 2 });
      const seed = made.steps.findIndex(({ kind }) => kind === 'seed');
      const ends = made.steps.flatMap((step) => (step.kind === 'moments' ? [step.target] : []));
      expect(ends).toEqual([layer, 'input']);
      simulate(
        target.graph,
        target.convention,
        { ...made, steps: [...made.steps, ...made.steps.slice(seed)] },
        'guided',
      );
    }
  });

  it('takes the gradients of all layers that are asked for on one way back', () => {
    for (const { target, ...of } of targets()) {
      const names = of.graph.layers.map(({ name }) => name);
      const behind = target === 'input' ? names : names.slice(names.indexOf(target as string) + 1);
      for (const onTheWay of [behind, behind.filter((_, i) => i % 3 === 1)]) {
        const { steps, ...one } = plan({ ...of, target, onTheWay, samples: 2, classes: 2, classMoments: true });
        const ends = steps.flatMap((step) => (step.kind === 'moments' ? [step.target] : []));
        expect(ends).toEqual([target, ...onTheWay].toReversed());
        const captured = steps.flatMap((step) => (step.kind === 'capture' ? [step.node.name] : []));
        expect(captured).toEqual([...(target === 'input' ? [] : [target]), ...onTheWay]);
        const seed = steps.findIndex(({ kind }) => kind === 'seed');
        simulate(of.graph, of.convention, { ...one, steps: [...steps, ...steps.slice(seed)] });
        const sums = ends.map((end) => one.tensors.get(tensorName.classMoments(end))!);
        const others = [...one.tensors.values()].filter((tensor) => !sums.includes(tensor) && tensor.last >= seed);
        expect(new Set(sums.map(({ buffer }) => buffer)).size).toBe(sums.length);
        expect(others.filter(({ buffer }) => sums.some((sum) => sum.buffer === buffer))).toEqual([]);
      }
    }
  });

  it('ends at the logits where no gradient is wanted, and keeps nothing for one', () => {
    const { steps, tensors, batches, bufferBytes } = plan({ target: 'block1_conv1', samples: 2, backward: false });
    expect(steps.at(-1)).toEqual({ kind: 'logits' });
    expect([...tensors.keys()].filter((name) => /gradient|grad-input|mask|codes/.test(name))).toEqual([]);
    expect(batches.map(({ gradients }) => gradients)).toEqual(batches.map(() => 0));
    const sum = (bytes: readonly number[]) => bytes.reduce((a, b) => a + b, 0);
    expect(sum(bufferBytes)).toBeLessThan(sum(plan({ target: 'block1_conv1', samples: 2 }).bufferBytes));
  });

  it('keeps what the way back needs for every class', () => {
    for (const target of targets()) {
      const { steps, ...one } = plan({ ...target, samples: 3, classes: 2 });
      const seed = steps.findIndex(({ kind }) => kind === 'seed');
      const twice = [...steps, ...steps.slice(seed)];
      simulate(target.graph, target.convention, { ...one, steps: twice });
    }
  });

  it('takes the classes through the fully connected layers together, and keeps what each then needs', () => {
    for (const target of targets()) {
      const { steps, ...one } = plan({ ...target, samples: 3, classes: 2, fromLogits: true });
      const shared = steps.flatMap((step) => (step.kind === 'gradient' && step.classes ? [step.node.op] : []));
      const dense = steps.filter((step) => step.kind === 'gradient' && step.node.op === 'dense');
      expect(shared).toEqual(dense.map(() => 'dense'));
      const twice = [...steps, ...steps.slice(classByClass(steps))];
      simulate(target.graph, target.convention, { ...one, steps: twice });
    }
    const others = [
      { classMoments: true },
      { fromLogits: false },
      { classes: 1 },
      { target: 'input', layer: 'block5_conv3' },
    ];
    for (const other of others) {
      const { steps } = plan({ samples: 3, classes: 2, fromLogits: true, ...other });
      expect(steps.filter(({ kind }) => kind === 'class')).toEqual([]);
    }
  });

  it('keeps the moments over the classes apart from all that further ways back write', () => {
    for (const target of targets()) {
      const { steps, ...one } = plan({ ...target, samples: 3, classMoments: true });
      const { tensors } = one;
      const moments = tensors.get(tensorName.classMoments(target.target as string))!;
      expect(moments.words).toBe(3 * elementsOf(target.graph.shape(target.target as string)));
      const seed = steps.findIndex(({ kind }) => kind === 'seed');
      const neighbours = [...tensors.values()].filter((other) => other !== moments && other.buffer === moments.buffer);
      for (const { last } of neighbours) expect(last).toBeLessThan(seed);
      simulate(target.graph, target.convention, { ...one, steps: [...steps, ...steps.slice(seed)] });
      const names = [...plan({ ...target, samples: 3 }).tensors.keys()];
      expect(names.filter((name) => name.startsWith('class moments'))).toEqual([]);
    }
  });

  it('gives no two tensors that live at once the same buffer, and each buffer the size of its largest', () => {
    for (const target of targets()) {
      const { tensors, bufferBytes, rows } = plan({ ...target, samples: 4 });
      const list = [...tensors.values()];
      list.forEach((a, i) => {
        expect(a.last).toBeGreaterThanOrEqual(a.first);
        for (const b of list.slice(i + 1)) {
          const together = a.first <= b.last && b.first <= a.last;
          if (together) expect(a.buffer).not.toBe(b.buffer);
        }
      });
      bufferBytes.forEach((bytes, buffer) => {
        const sizes = list.filter((tensor) => tensor.buffer === buffer).map((tensor) => 4 * tensor.words * tensor.rows);
        expect(bytes).toBe(Math.max(...sizes));
      });
      for (const [name, tensor] of tensors) {
        if (/patches|products/.test(name)) expect(tensor.rows).toBeLessThanOrEqual(rows);
        else expect(tensor.rows).toBe(rows);
      }
    }
  });

  it('keeps bits for the way back, not activations', () => {
    const activationBytes = VGG16.layers.reduce((sum, { name }) => sum + 4 * elementsOf(VGG16.shape(name)), 0);
    expect(activationBytes).toBeGreaterThan(4.5 * LARGEST_TENSOR_BYTES);
    const { bufferBytes } = plan({ target: 'block1_conv1' });
    // A layer's input and its output, and the bits of all layers.
    expect(bufferBytes.reduce((a, b) => a + b, 0)).toBeLessThan(2.5 * LARGEST_TENSOR_BYTES);
  });

  it('never writes the gradient at a layer that is pooled, unless it is wanted besides its moments', () => {
    for (const convention of CONVENTIONS) {
      const hasGradient = (request: Partial<PlanRequest>) =>
        plan({ convention, target: 'block1_conv2', samples: 9, ...request }).tensors.has(
          tensorName.gradient('block1_conv2'),
        );
      expect(hasGradient({})).toBe(false);
      expect(hasGradient({ classes: 3, fromLogits: true })).toBe(false);
      expect(hasGradient({ eachGradient: true })).toBe(true);
      expect(hasGradient({ classMoments: true })).toBe(true);
      // The way back goes on from there.
      expect(hasGradient({ target: 'block1_conv1', onTheWay: ['block1_conv2'] })).toBe(true);
    }
  });

  it('runs forward in full, and back to the layer alone', () => {
    const steps = ({ kind, ...step }: Step) => {
      const pool = 'pool' in step && step.pool ? ` + ${step.pool.name}` : '';
      return 'node' in step ? `${kind} ${step.node.name}${pool}` : `${kind}${pool}`;
    };
    expect(plan({ convention: 'keras' }).steps.slice(-14).map(steps)).toEqual([
      'forward block5_conv3',
      'capture block5_conv3',
      'forward block5_pool',
      'forward flatten',
      'forward fc1',
      'forward fc2',
      'forward predictions',
      'logits',
      'seed',
      'gradient predictions',
      'gradient fc2',
      'gradient fc1',
      'gradient flatten',
      'moments + block5_pool',
    ]);
    expect(plan({ target: undefined }).steps.map(steps).slice(-5)).toEqual([
      'forward block5_conv3 + block5_pool',
      'forward fc1',
      'forward fc2',
      'forward predictions',
      'logits',
    ]);
  });
});

describe('weightsNeeded', () => {
  const forms = (request: Partial<PlanRequest>) =>
    weightsNeeded(VGG16, plan(request)).map(({ node, form }) => `${node.name} ${form}`);
  const all = VGG16.layers.filter(({ op }) => op === 'conv2d').map(({ name }) => name);

  it('are those of the forward pass, and on the way back those behind the layer', () => {
    const tuner = always('direct');
    expect(forms({ tuner, target: undefined })).toEqual(all.map((name) => `${name} packed`));
    expect(forms({ tuner, target: 'block5_conv3' })).toHaveLength(all.length);
    expect(forms({ tuner, target: 'block4_pool' }).slice(all.length)).toEqual([
      'block5_conv3 transposed',
      'block5_conv2 transposed',
      'block5_conv1 transposed',
    ]);
    expect(forms({ tuner, target: 'block1_conv1' })).toHaveLength(2 * all.length - 1);
  });

  it('follow the kernels chosen, with scratch for those that need it', () => {
    const request = { tuner: always('winograd-2'), target: 'block5_conv2' };
    expect(forms(request)).toContain('block5_conv3 winograd-2');
    const names = [...plan(request).tensors.keys()];
    expect(names).toContain(tensorName.scratch('block5_conv3', 'forward', 'patches'));
    expect(names).toContain(tensorName.scratch('block5_conv3', 'grad-input', 'products'));
    expect([...plan({ ...request, tuner: always('direct') }).tensors.keys()].join()).not.toContain('patches');
  });

  it('are held up to a bound, and beyond it made where they are used, in one buffer whatever the rows', () => {
    const request = { tuner: always('winograd-4'), target: 'block5_conv2', limits: LIMITS.huge, samples: 50 };
    const { steps, tensors } = plan(request);
    const made = steps.flatMap((step) => ('makesWeights' in step && step.makesWeights ? [step.node.name] : []));
    // Forward to the logits, and back through block5_conv3: 36 products of 512 × 512 channels take 36 MiB.
    expect(made).toEqual(['block5_conv1', 'block5_conv2', 'block5_conv3', 'block5_conv3']);
    expect(forms(request)).not.toContain('block5_conv3 winograd-4');
    expect(forms(request)).toContain('block4_conv3 winograd-4');
    for (const direction of ['forward', 'grad-input'] as const) {
      expect(tensors.get(tensorName.weights('block5_conv3', direction))).toMatchObject({ words: 9 * MIB, rows: 1 });
    }
    expect(tensors.has(tensorName.weights('block4_conv3', 'forward'))).toBe(false);
  });
});

describe('kernels', () => {
  const target = 'block5_conv2';
  const kernelsFor = (request: Partial<PlanRequest>) => kernelsOf(plan({ target, ...request }));

  it('are told for each convolution that is computed, in each direction', () => {
    const kernels = kernelsFor({});
    expect(Object.keys(kernels)).toEqual(VGG16.layers.filter(({ op }) => op === 'conv2d').map(({ name }) => name));
    const twoWays = Object.keys(kernels).filter((name) => kernels[name]!['grad-input'] !== undefined);
    expect(twoWays).toEqual(['block5_conv3']);
  });

  it('that are asked for are taken, the others as they would be', () => {
    const asked = { block2_conv1: { forward: 'winograd-4' }, block5_conv3: { 'grad-input': 'direct' } };
    const { block5_conv3, ...others } = kernelsFor({});
    expect(kernelsFor({ kernels: asked })).toEqual({
      ...others,
      block2_conv1: { forward: 'winograd-4' },
      block5_conv3: { ...block5_conv3, 'grad-input': 'direct' },
    });
    const own = kernelsFor({ traits: { subgroupSize: 8, isSoftware: true } });
    expect(own).not.toEqual(kernelsFor({}));
    expect(kernelsFor({ kernels: own })).toEqual(own);
  });

  it('do not break the ties of even areas, which noise leaves none of', () => {
    const forward = (request: Partial<PlanRequest>) =>
      kernelsFor({ target: 'block1_conv2', samples: 4, tuner: always('winograd-4'), ...request }).block2_conv2?.forward;
    expect(forward({})).not.toBe('winograd-4');
    expect(forward({ hasEvenAreas: true })).not.toBe('winograd-4');
    expect(forward({ hasEvenAreas: false })).toBe('winograd-4');
    // In front of the last pooling there are no ties that matter.
    expect(forward({ target: 'block5_conv1' })).toBe('winograd-4');
  });

  it('that do not fit the device are not taken', () => {
    const kernels = { block1_conv2: { forward: 'winograd-2' } };
    expect(kernelsFor({ kernels })).toMatchObject(kernels);
    // An activation of block1 takes 12.25 MiB; its patches four times that.
    const limits = { maxBufferSize: 16 * 2 ** 20, maxStorageBufferBindingSize: 16 * 2 ** 20 };
    expect(kernelsFor({ kernels, limits, batch: 1 }).block1_conv2!.forward).not.toBe('winograd-2');
  });

  it.each([
    [{ block9_conv1: { forward: 'direct' } }, /kernels: got "block9_conv1"; allowed: block1_conv1, /],
    [{ fc1: { forward: 'direct' } }, /kernels: got "fc1"; allowed: block1_conv1, /],
    [{ block1_conv1: { backward: 'direct' } }, /kernels: got "backward"; allowed: forward, grad-input/],
    [{ block1_conv1: { forward: 'fft' } }, /kernels: got "fft"; allowed: direct, /],
  ])('that there are not are refused: %j', (kernels, message) => {
    expect(() => kernelsFor({ kernels: kernels as KernelChoices })).toThrow(message);
  });
});

/**
 * Plays a plan's steps as the network runs them and looks at every read: the tensor must be the last one that was written
 * to its buffer. What each step reads and writes is stated here anew.
 */
function simulate(
  graph: Graph,
  convention: Convention,
  { steps, tensors, bufferBytes, rows }: Plan,
  rule: PlanRequest['rule'] = 'gradient',
): void {
  const holds: (string | undefined)[] = bufferBytes.map(() => undefined);
  const tensorOf = (name: string) => {
    const tensor = tensors.get(name);
    if (!tensor) throw new Error(`${graph.name}: the plan has no ${name}`);
    return tensor;
  };
  const write = (name: string, words: number) => {
    const { buffer } = tensorOf(name);
    if (4 * words * rows > bufferBytes[buffer]!) throw new Error(`${graph.name}: ${name} does not fit its buffer`);
    holds[buffer] = name;
  };
  const read = (name: string) => {
    const found = holds[tensorOf(name).buffer];
    if (found !== name) throw new Error(`${graph.name}: ${name} is read, but its buffer holds ${found}`);
  };
  // torch's flatten changes no byte: its output is its input under another name.
  const stored = (name: string): string => {
    const node = graph.node(name);
    return node.op === 'flatten' && convention === 'torch' ? stored(node.inputs[0]!) : name;
  };
  const size = (name: string) => elementsOf(graph.shape(name));
  const activation = (name: string) => tensorName.activation(stored(name));
  const gradient = (name: string) => tensorName.gradient(stored(name));
  /** Words of a tensor of bits that has one for `side` × `side` cells of 8 maps. */
  const bitWords = (name: string, side: number) => {
    const [maps, height, width] = graph.shape(name);
    return Math.ceil(maps / 8) * Math.ceil(height / side) * Math.ceil(width / side);
  };
  const logits = graph.logits.name;

  for (const step of steps) {
    switch (step.kind) {
      case 'input':
        write(activation(graph.input.name), size(graph.input.name));
        break;
      case 'forward': {
        const { node } = step;
        const output = step.pool ?? node;
        read(activation(node.inputs[0]!));
        for (const scratch of scratchOf(node.name, 'forward')) write(scratch, 0);
        write(activation(output.name), size(output.name));
        // Four bits tell the winner of a 2 × 2 window, those of 8 maps share a word.
        if (tensors.has(tensorName.codes(output.name))) write(tensorName.codes(output.name), bitWords(output.name, 1));
        // The mask of a 3 × 3 convolution is written with its output, a word for 2 × 2 cells of 8 maps.
        if (tensors.has(tensorName.mask(node.name))) write(tensorName.mask(node.name), bitWords(node.name, 2));
        read(activation(node.inputs[0]!));
        for (const scratch of scratchOf(node.name, 'forward')) read(scratch);
        break;
      }
      case 'capture':
        read(activation(step.node.name));
        break;
      case 'mask':
        read(activation(step.node.name));
        write(tensorName.mask(step.node.name), bitWords(step.node.name, 2));
        break;
      case 'logits':
        read(activation(logits));
        break;
      case 'seed':
        if (step.classes) write(tensorName.classGradients(logits), step.classes * size(logits));
        else write(gradient(logits), size(logits));
        break;
      case 'class':
        read(tensorName.classGradients(step.node.name));
        write(gradient(step.node.name), size(step.node.name));
        read(tensorName.classGradients(step.node.name));
        break;
      case 'relu-gradient':
        if (rule !== 'deconvnet') read(tensorName.mask(step.node.name));
        read(gradient(step.node.name));
        break;
      case 'gradient': {
        const { node, classes = 1 } = step;
        const gradients = (name: string) => (step.classes ? tensorName.classGradients(name) : gradient(name));
        read(gradients(node.name));
        for (const scratch of scratchOf(node.name, 'grad-input')) write(scratch, 0);
        write(gradients(node.inputs[0]!), classes * size(node.inputs[0]!));
        if (node.op === 'maxpool') read(tensorName.codes(node.name));
        if (node.op === 'conv2d' && tensors.has(tensorName.mask(node.inputs[0]!)))
          read(tensorName.mask(node.inputs[0]!));
        // Behind a fully connected layer's ReLU its output says where the gradient passes.
        const input = graph.node(node.inputs[0]!);
        if (node.op === 'dense' && input.op === 'dense' && rule !== 'deconvnet') read(activation(input.name));
        read(gradients(node.name));
        for (const scratch of scratchOf(node.name, 'grad-input')) read(scratch);
        break;
      }
      case 'moments': {
        read(gradient(step.pool?.name ?? step.target));
        if (step.pool) read(tensorName.codes(step.pool.name));
        // The scores that weight the samples.
        read(activation(logits));
        break;
      }
    }
  }

  function scratchOf(node: string, direction: 'forward' | 'grad-input'): string[] {
    const parts = [undefined, 'patches', 'products'].map((part) => tensorName.scratch(node, direction, part));
    return [...parts, tensorName.weights(node, direction)].filter((name) => tensors.has(name));
  }
}
