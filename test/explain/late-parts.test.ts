/** Calls that wait for a part of the library which does not come: their signal ends them, and nobody else waits. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { classify } from '../../src/classify.ts';
import { AbortError } from '../../src/errors.ts';
import { explain } from '../../src/explain.ts';
import { Gpu } from '../../src/gpu/gpu.ts';
import { loadModel, type Model } from '../../src/model.ts';
import type { AnyExplainOptions, ExplainOptions } from '../../src/options.ts';
import { explainProgressively } from '../../src/progressive.ts';
import { trace } from '../../src/trace.ts';
import { tuneKernels } from '../../src/tune.ts';
import { openWeights } from '../../src/weights/source.ts';
import { testAdapter } from '../harness/adapter.ts';
import { assertRejects, assertSameBits } from '../harness/assertions.ts';
import { asForced, gpuTest, TEST_GPU } from '../harness/gpu.ts';
import { fileTensors, loadSmallVgg, noisyPicture, openTensors, sizeOptions, smallVgg } from '../network/small-vgg.ts';
import { encodeSafetensors, memoryStore } from '../weights/made-files.ts';

const VGG = smallVgg({ name: 'vgg11' });
const PICTURE = noisyPicture(1, 48, 40);

const SRC = '../../src';
const OPS = '../../shaders/ops';

/** What does not come, until the test is over. */
let late: string | undefined;

/** @returns when it has been asked for */
function doesNotCome(module: string): Promise<void> {
  late = module;
  return new Promise((isAskedFor) => {
    vi.doMock(module, () => {
      isAskedFor();
      return new Promise<never>(() => {});
    });
  });
}

afterEach(() => {
  if (late) vi.doUnmock(late);
});

/** @param call waits for the module, until its signal fires */
async function assertEnds(module: string, call: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const isAskedFor = doesNotCome(module);
  const stop = new AbortController();
  const calling = call(stop.signal);
  await Promise.race([isAskedFor, calling]);
  stop.abort();
  await assertRejects(() => calling, AbortError, /stopped by its AbortSignal/);
}

function modelTest(name: string, work: (model: Model, gpu: Gpu) => Promise<void>): void {
  gpuTest(name, async (gpu) => {
    using model = await loadSmallVgg(gpu, VGG);
    await work(model, gpu);
  });
}

// The first two ask for what the others load: what has come once stays.

it('weights in other forms are waited for in turn, until a signal ends the wait', async () => {
  using gpu = asForced(await Gpu.request({ adapter: await testAdapter(), ...TEST_GPU }));
  const isAskedFor = doesNotCome(`${OPS}/conv2d.winograd-filters.wgsl?raw`);
  using model = await loadSmallVgg(gpu, VGG);
  const needed = model.graph.nodes.flatMap((node) =>
    node.op === 'conv2d' ? { node, form: 'winograd-2' as const } : [],
  );
  const stops = [new AbortController(), new AbortController()] as const;
  const preparing = stops.map(({ signal }) => model.parameters.prepare(needed, signal));
  await isAskedFor;
  for (const i of [1, 0]) {
    stops[i]!.abort();
    await assertRejects(() => preparing[i]!, AbortError, /stopped/);
  }
  await model.parameters.prepare([], undefined);
});

modelTest('every call is ended while it waits for the checks of options', async (model) => {
  await assertEnds(`${SRC}/resolve-options.ts`, async (signal) => {
    const calls = [
      explain(model, PICTURE, { preset: 'official', signal }),
      explainProgressively(model, PICTURE, { nSamples: 2, signal }).next(),
      classify(model, PICTURE, { signal }),
      trace(model, PICTURE, { signal }),
      tuneKernels(model, { signal }),
    ];
    const reasons = (await Promise.allSettled(calls)).map((outcome) => 'reason' in outcome && outcome.reason);
    expect(reasons).toEqual(calls.map(() => expect.any(AbortError)));
    throw reasons[0];
  });
});

describe('an explanation is ended while it waits for', () => {
  const explaining = (module: string, options: AnyExplainOptions) =>
    modelTest(`${module.split('/').at(-1)}: ${JSON.stringify(options)}`, (model) =>
      assertEnds(module, (signal) => explain(model, PICTURE, { ...options, signal } as ExplainOptions)),
    );
  const twoLayers = { layerName: ['block4_conv2', 'block5_conv2'] } as const;

  explaining(`${SRC}/fused-explanation.ts`, { ...twoLayers, fusion: 'mean' });
  explaining(`${SRC}/several-passes.ts`, { ...twoLayers, method: 'ablation-cam' });
  explaining(`${SRC}/other-scores.ts`, { score: 'logit' });
  explaining(`${SRC}/other-weights.ts`, { method: 'eigen-cam' });
  explaining(`${OPS}/singular-vector.wgsl?raw`, { method: 'eigen-cam' });
  explaining(`${SRC}/gpu/timing.ts`, { timestamps: true });
});

modelTest('trace() is ended while it waits for its kernels', async (model) => {
  await assertEnds(`${OPS}/moments.decode.wgsl?raw`, (signal) => trace(model, PICTURE, { signal }));
});

describe('loadModel is ended while it waits for', () => {
  const tensors = fileTensors(VGG, 'torchvision');
  const store = memoryStore({ 'vgg.safetensors': encodeSafetensors(tensors) });

  gpuTest('what reads weights in parts', async () => {
    const folder = memoryStore({ 'model.json': new TextEncoder().encode('{}') });
    await assertEnds(`${SRC}/weights/described.ts`, (signal) => openWeights('model.json', { store: folder, signal }));
  });

  gpuTest('what recognises networks', async (gpu) => {
    const options = { ...sizeOptions(VGG), weights: 'vgg.safetensors', store };
    await assertEnds(`${SRC}/network/recognise.ts`, (signal) => loadModel(gpu, 'auto', { ...options, signal }));
  });

  gpuTest('what draws random weights', async (gpu) => {
    const options = { ...sizeOptions(VGG), weights: { random: 1 } };
    await assertEnds(`${SRC}/network/random.ts`, (signal) => loadModel(gpu, 'vgg11', { ...options, signal }));
  });

  gpuTest('what folds batch normalisation', async (gpu) => {
    const vgg = smallVgg({ name: 'vgg11', batchNorm: true });
    const weights = await openTensors(fileTensors(vgg, 'torchvision'), 'torchvision');
    const options = { ...sizeOptions(vgg), weights };
    await assertEnds(`${SRC}/network/batch-norm.ts`, (signal) => loadModel(gpu, 'vgg11-bn', { ...options, signal }));
  });
});

modelTest('others go on while a kernel is waited for', async (model) => {
  const { map } = await explain(model, PICTURE, { method: 'grad-cam' });
  const isAskedFor = doesNotCome(`${OPS}/attribution.wgsl?raw`);
  const stop = new AbortController();
  const waiting = explain(model, PICTURE, { method: 'gradient', signal: stop.signal });
  await isAskedFor;
  const again = await explain(model, PICTURE, { method: 'grad-cam' });
  assertSameBits(again.map.data, map.data);
  stop.abort();
  await assertRejects(() => waiting, AbortError, /stopped/);
});
