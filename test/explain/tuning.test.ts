/** Kernels by timings: that they change what comes next, and neither delay nor disturb what is asked for. */
import { describe, expect, it } from 'vitest';
import { classify } from '../../src/classify.ts';
import { AbortError, DisposedError, OptionError } from '../../src/errors.ts';
import { explain } from '../../src/explain.ts';
import type { Tuning } from '../../src/gpu/contest.ts';
import { Gpu, type GpuRequestOptions } from '../../src/gpu/gpu.ts';
import { kernelLabel } from '../../src/gpu/kernel.ts';
import type { KernelQuestion, TuningStore } from '../../src/gpu/tuning.ts';
import { jobQuestions } from '../../src/network/tune.ts';
import { type TuneKernelsOptions, tuneKernels } from '../../src/tune.ts';
import { testAdapter } from '../harness/adapter.ts';
import { assertRejects, assertSameBits } from '../harness/assertions.ts';
import { loadSmallVgg, noisyPicture, smallVgg } from '../network/small-vgg.ts';

const VGG = smallVgg({ name: 'vgg11' });
const PICTURE = noisyPicture(1, 48, 40);
const LAYER = 'block5_conv2';

/** Nothing is forced and nothing kept, unless a test says so. */
async function requestGpu(options: GpuRequestOptions = {}): Promise<Gpu> {
  return Gpu.request({ adapter: await testAdapter(), tuningStore: false, ...options });
}

function memory(): TuningStore {
  const texts = new Map<string, string>();
  return { read: async (key) => texts.get(key), write: async (key, text) => void texts.set(key, text) };
}

/** Timings by which `winner` is the fastest. */
function wonBy(winner: string, { key, candidates }: KernelQuestion): Tuning {
  return { key, measuredOn: '', candidates: candidates.map((name) => ({ name, ms: [name === winner ? 1 : 10] })) };
}

const kernelsOf = (gpu: Gpu, target: string | undefined, samples: number) => {
  return (graph: Parameters<typeof jobQuestions>[1]['graph']) =>
    jobQuestions(gpu, { graph, convention: 'keras', target, samples });
};

describe('tune: full', () => {
  it('makes the first map by rule, times the kernels behind it, and explains by the timings then', async () => {
    using gpu = await requestGpu({ tune: 'full' });
    using byRule = await requestGpu({ tune: 'off' });
    using model = await loadSmallVgg(gpu, VGG);
    using ruled = await loadSmallVgg(byRule, VGG);
    const first = await explain(model, PICTURE, { layerName: LAYER });
    expect(gpu.tuner.tunings).toEqual([]);
    assertSameBits(first.map.data, (await explain(ruled, PICTURE, { layerName: LAYER })).map.data);

    const questions = kernelsOf(gpu, LAYER, 0)(model.graph);
    expect(questions.length).toBeGreaterThan(5);
    // Each idle time ends after two seconds, and a software adapter may need several.
    while (questions.some((question) => gpu.tuner.isOpen(question))) {
      await gpu.idle.settled();
      await explain(model, PICTURE, { layerName: LAYER });
    }
    for (const { key, candidates } of gpu.tuner.tunings) {
      expect(candidates.flatMap(({ ms }) => ms).length, key).toBeGreaterThan(0);
    }

    for (const question of questions) await gpu.tuner.keep(wonBy('winograd-2', question));
    const { provenance } = await explain(model, PICTURE, { layerName: LAYER });
    expect(provenance.kernels.block1_conv1!.forward).toBe('winograd-2');
    expect(provenance.kernels.block5_conv2!.forward).toBe('winograd-2');
    expect(byRule.tuner.tunings).toEqual([]);
  }, 180_000);

  it('lets a job pass at once, and goes on behind it', async () => {
    using gpu = await requestGpu({ tune: 'full' });
    using model = await loadSmallVgg(gpu, VGG);
    await classify(model, PICTURE);
    // The first kernel that is timed is not one of an explanation, which runs by rule.
    const begun = new Promise<void>((resolve) => {
      const { run } = gpu;
      gpu.run = (dispatches, options) => {
        resolve();
        gpu.run = run;
        return run.call(gpu, dispatches, options);
      };
    });
    await begun;
    const leave = gpu.idle.enter();
    await gpu.idle.settled();
    const timed = gpu.tuner.tunings.length;
    const questions = kernelsOf(gpu, undefined, 0)(model.graph);
    expect(timed).toBeLessThan(questions.length);
    leave();
    await gpu.idle.settled();
    expect(gpu.tuner.tunings.length).toBeGreaterThan(timed);
  }, 120_000);

  it('ends with the device', async () => {
    const gpu = await requestGpu({ tune: 'full' });
    const model = await loadSmallVgg(gpu, VGG);
    await classify(model, PICTURE);
    gpu.dispose();
    await gpu.idle.settled();
    expect(gpu.tuner.tunings).toEqual([]);
  });
});

describe('tuneKernels', () => {
  it('times what a job needs, says how far it is, and keeps the timings for others', async () => {
    const tuningStore = memory();
    using gpu = await requestGpu({ tuningStore });
    using model = await loadSmallVgg(gpu, VGG);
    const seen: string[] = [];
    const tunings = await tuneKernels(model, { onProgress: ({ done, total }) => seen.push(`${done}/${total}`) });
    expect(tunings.length).toBeGreaterThan(5);
    expect(seen).toEqual(Array.from({ length: tunings.length + 1 }, (_, i) => `${i}/${tunings.length}`));
    expect(gpu.tuner.tunings).toEqual(tunings);

    // What has been timed is not timed again, in this process or another.
    using other = await requestGpu({ tuningStore });
    using otherModel = await loadSmallVgg(other, VGG);
    for (const each of [model, otherModel]) {
      const run = each.gpu.run;
      each.gpu.run = () => Promise.reject(new Error('this was timed'));
      expect(await tuneKernels(each)).toEqual(tunings);
      each.gpu.run = run;
    }
    const { kernels } = (await explain(otherModel, PICTURE)).provenance;
    expect(kernels).toEqual((await explain(model, PICTURE)).provenance.kernels);
  }, 180_000);

  it('stops with its signal, and keeps what was done', async () => {
    using gpu = await requestGpu();
    using model = await loadSmallVgg(gpu, VGG);
    const controller = new AbortController();
    const options = {
      signal: controller.signal,
      onProgress: ({ done }: { done: number }) => done === 1 && controller.abort(),
    };
    await assertRejects(() => tuneKernels(model, options as TuneKernelsOptions), AbortError, /AbortSignal/);
    expect(gpu.tuner.tunings.length).toBe(1);
  }, 60_000);

  it('refuses what makes no sense', async () => {
    using gpu = await requestGpu({ tune: 'off' });
    const model = await loadSmallVgg(gpu, VGG);
    await assertRejects(() => tuneKernels(model), OptionError, /tune: got "off"; allowed: 'cached' or 'full'/);
    await assertRejects(() => tuneKernels(model, { nSamples: -1 }), OptionError, /nSamples/);
    const misspelt = { samples: 4 } as TuneKernelsOptions;
    await assertRejects(() => tuneKernels(model, misspelt), OptionError, /samples.*nSamples/);
    model.dispose();
    await assertRejects(() => tuneKernels(model), DisposedError, /disposed/);
  });
});

describe('a forced kernel', () => {
  it('is used wherever it can be', async () => {
    using gpu = await requestGpu({ forceVariant: 'implicit-gemm-32x64' });
    using model = await loadSmallVgg(gpu, VGG);
    const { run } = gpu;
    const labels: string[] = [];
    gpu.run = (dispatches, options) => {
      labels.push(...dispatches.map(({ kernel }) => kernelLabel(kernel)));
      return run.call(gpu, dispatches, options);
    };
    const { provenance } = await explain(model, PICTURE, { layerName: 'block4_conv1' });
    const chosen = Object.values(provenance.kernels).flatMap((choice) => Object.values(choice));
    expect(new Set(chosen)).toEqual(new Set(['implicit-gemm-32x64']));
    const convolutions = labels.filter((label) => label.startsWith('conv2d') && !label.includes('transpose'));
    expect(convolutions.every((label) => label.startsWith('conv2d.implicit-gemm'))).toBe(true);
  }, 60_000);

  it('that does not exist is refused, with those that do', async () => {
    using gpu = await requestGpu({ forceVariant: 'winograd-3' });
    using model = await loadSmallVgg(gpu, VGG);
    await assertRejects(
      () => explain(model, PICTURE),
      OptionError,
      /forceVariant: got "winograd-3"; allowed: one of direct, /,
    );
  });
});
