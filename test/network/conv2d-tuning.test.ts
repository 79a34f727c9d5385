/** Convolutions as questions to the tuner: what is asked, and that every kernel passes the contest on the device. */
import { describe, expect, it } from 'vitest';
import { bestOf } from '../../src/gpu/contest.ts';
import { measureCase, Scratch } from '../../src/gpu/tuning-case.ts';
import type { Direction } from '../../src/ops/common.ts';
import { conv2dQuestion } from '../../src/ops/conv2d.tuning.ts';
import { conv2dCase, conv2dKernelTexts } from '../../src/ops/conv2d.tuning-case.ts';
import { CONV2D_VARIANTS, type Conv2dVariant, HALF_VARIANTS } from '../../src/ops/conv2d.variants.ts';
import type { Precision } from '../../src/precision.ts';
import { gpuTest, halfGpu, testGpu } from '../harness/gpu.ts';

const CORES = { subgroupSize: 8, isSoftware: true };
const GPU = { subgroupSize: 32, isSoftware: false };
const PLENTY = 2 ** 30;
const layer = (inChannels: number, outChannels: number, side: number, kernel = 3) => {
  return { inChannels, outChannels, height: side, width: side, kernel, stride: 1, padding: (kernel - 1) / 2 };
};
const measured = (traits: typeof CORES, shape: ReturnType<typeof layer>, samples: number) =>
  conv2dCase(traits, conv2dQuestion(traits, shape, 'forward', samples, PLENTY)).measuredOn;

describe('a question', () => {
  const ask = (samples: number, shape = layer(64, 128, 112)) => conv2dQuestion(GPU, shape, 'forward', samples, PLENTY);

  it('is another one for another shape, direction, or number of rows as far as that matters', () => {
    expect(ask(3).key).toBe('conv2d forward 64-128 112x112 3x3 stride 1 padding 1 rows 3');
    const keys = [
      ask(3),
      ask(4),
      ask(3, layer(128, 64, 112)),
      ask(3, layer(64, 128, 56)),
      ask(3, layer(64, 128, 112, 5)),
    ];
    const backward = conv2dQuestion(GPU, layer(64, 128, 112), 'grad-input', 3, PLENTY);
    expect(new Set([...keys, backward].map(({ key }) => key)).size).toBe(6);
    expect(ask(8).key).toBe(ask(51).key);
  });

  it('leaves out what has no room for its scratch', () => {
    const { candidates } = conv2dQuestion(GPU, layer(64, 64, 224), 'forward', 3, 16 * 2 ** 20);
    expect(candidates).not.toContain('winograd-2');
    expect(candidates).toContain('direct');
  });
});

describe('what is measured', () => {
  it('is a strip of a large picture on cores, and few rows of maps that are small', () => {
    expect(measured(CORES, layer(64, 64, 224), 5)).toBe('1 x 32 x 224 cells');
    expect(measured(CORES, layer(3, 64, 224), 5)).toBe('1 x 76 x 224 cells');
    expect(measured(CORES, layer(8, 8, 16), 5)).toBe('5 x 16 x 16 cells');
  });

  it('leaves about as many of Winograd’s tiles idle as the whole', () => {
    // 28 of 32 tiles, of 245 of 256.
    expect(measured(CORES, layer(512, 512, 28), 5)).toBe('1 x 16 x 28 cells');
    // One row is 49 of 64 tiles: no strip of it is alike.
    expect(measured(CORES, layer(512, 512, 28), 1)).toBe('1 x 28 x 28 cells');
    // 16 tiles a row.
    expect(measured(CORES, layer(512, 512, 14), 5)).toBe('3 x 14 x 14 cells');
    expect(measured(CORES, layer(512, 512, 14), 8)).toBe('2 x 14 x 14 cells');
  });

  it('is enough to fill a GPU', () => {
    expect(measured(GPU, layer(64, 64, 224), 51)).toBe('3 x 224 x 224 cells');
    expect(measured(GPU, layer(256, 256, 56), 51)).toBe('8 x 56 x 56 cells');
  });

  it('leaves kernels on workgroup memory to GPUs, unless all are asked for', () => {
    const names = (traits: typeof CORES, all = false, precision: Precision = 'f32') => {
      const scratch = new Scratch(fakeGpu());
      const question = conv2dQuestion(traits, layer(64, 64, 56), 'forward', 1, PLENTY, precision);
      return conv2dCase(traits, question, { all })
        .build(scratch)
        .rivals.map(({ name }) => name)
        .sort();
    };
    expect(names(CORES)).toEqual(['direct', 'winograd-2', 'winograd-4']);
    expect(names(GPU)).toEqual([...CONV2D_VARIANTS].sort());
    expect(names(CORES, true)).toEqual([...CONV2D_VARIANTS].sort());
    for (const traits of [CORES, GPU]) expect(names(traits, false, 'f16')).toEqual(['direct', ...HALF_VARIANTS].sort());
  });
});

/** Descriptions need buffers, not memory. */
function fakeGpu() {
  return { createBuffer: () => ({}), write: () => {} } as unknown as ConstructorParameters<typeof Scratch>[0];
}

describe('on the device', () => {
  it.each(['forward', 'grad-input'] as const)(
    'every kernel agrees with the direct one, %s',
    async (direction) => {
      const gpu = await testGpu();
      // Channels and sides that fill no tile.
      const shape = { ...layer(12, 20, 18), width: 21 };
      const question = conv2dQuestion(gpu.traits, shape, direction, 2, PLENTY);
      const { candidates } = await measureCase(gpu, conv2dCase(gpu.traits, question, { all: true }));
      expect(candidates.map(({ name }) => name).sort()).toEqual([...CONV2D_VARIANTS].sort());
      for (const { name, error, ms, disqualified } of candidates) {
        expect(disqualified, name).toBeUndefined();
        expect(error, name).toBeLessThan(name === 'winograd-4' ? 1e-4 : 1e-5);
        expect(ms.length, name).toBeGreaterThan(0);
      }
    },
    120_000,
  );

  // One tile of either text on the way forward; the others differ in a number, and each takes seconds to compile.
  const inFloat16: readonly { direction: Direction; candidates: readonly Conv2dVariant[] }[] = [
    { direction: 'forward', candidates: ['half-gemm-32x64', 'half-gemm-64x128-wide'] },
    { direction: 'grad-input', candidates: ['half-gemm-32x64'] },
  ];
  it.for(inFloat16)(
    'kernels in float16 are timed where they agree with the direct one, $direction',
    async ({ direction, candidates }, { skip }) => {
      const gpu = await halfGpu();
      if (typeof gpu === 'string') return skip(gpu);
      const shape = { ...layer(12, 20, 18), width: 21 };
      const question = { ...conv2dQuestion(gpu.traits, shape, direction, 2, PLENTY, 'f16'), candidates };
      const tuning = await measureCase(gpu, conv2dCase(gpu.traits, question));
      expect(tuning.candidates.map(({ name }) => name)).toEqual([...candidates, 'direct']);
      for (const { name, error, ms, disqualified } of tuning.candidates.slice(0, -1)) {
        expect(disqualified, name).toBeUndefined();
        // As in conv2d-half.test.ts; no kernel in float32 in disguise is so far off.
        expect(error, name).toBeLessThan(2.5e-3);
        expect(error, name).toBeGreaterThan(1e-5);
        expect(ms.length, name).toBeGreaterThan(0);
      }
      expect(tuning.candidates.at(-1)).toMatchObject({
        ms: [],
        error: 0,
        disqualified: expect.stringMatching(/only says/),
      });
      expect(candidates).toContain(bestOf(tuning, question.candidates));
    },
  );

  gpuTest('the texts of the kernels tell one sort of adapter from another', async ({ traits }) => {
    expect(await conv2dKernelTexts(traits)).toBe(await conv2dKernelTexts({ ...traits }));
    expect(await conv2dKernelTexts(CORES)).not.toBe(await conv2dKernelTexts(GPU));
  });
});
