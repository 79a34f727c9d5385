/** Which kernel a convolution begins with, without a GPU. */
import { describe, expect, it } from 'vitest';
import { CONV2D_VARIANTS, conv2dVariants, HALF_VARIANTS } from '../../src/ops/conv2d.variants.ts';

const CORES = { subgroupSize: 8, isSoftware: true };
const GPU = { subgroupSize: 32, isSoftware: false };
const layer = (inChannels: number, outChannels: number, side: number, kernel = 3) => {
  return { inChannels, outChannels, height: side, width: side, kernel, stride: 1, padding: (kernel - 1) / 2 };
};

describe('conv2dVariants', () => {
  it('has all kernels as candidates, each once', () => {
    for (const traits of [CORES, GPU]) {
      const candidates = conv2dVariants(traits, layer(256, 256, 56), 'forward', 5);
      expect([...candidates].sort()).toEqual([...CONV2D_VARIANTS].sort());
    }
  });

  it('has one for a window that only the general kernel takes', () => {
    expect(conv2dVariants(GPU, layer(3, 64, 224, 7), 'forward', 5)).toEqual(['direct']);
  });

  it('begins with the tiled matrix product on a GPU', () => {
    expect(conv2dVariants(GPU, layer(256, 256, 56), 'forward', 5)[0]).toMatch(/^implicit-gemm-/);
    expect(conv2dVariants(GPU, layer(8, 8, 224), 'grad-input', 5)[0]).toMatch(/^implicit-gemm-16/);
  });

  // What was measured on lavapipe and SwiftShader, docs/performance.md.
  it('begins with Winograd on cores, where its multiplications are fewer with all that it takes', () => {
    const first = (inChannels: number, outChannels: number, side: number, samples: number) =>
      conv2dVariants(CORES, layer(inChannels, outChannels, side), 'forward', samples)[0];
    expect(first(3, 64, 224, 5)).toBe('direct');
    expect(first(64, 64, 224, 5)).toBe('winograd-4');
    expect(first(256, 256, 56, 1)).toBe('winograd-4');
    // Four samples have 64 tiles of 4 × 4, which fill two workgroups; of the two that a fifth takes, much is idle.
    expect(first(512, 512, 14, 4)).toBe('winograd-4');
    expect(first(512, 512, 14, 5)).toBe('winograd-2');
    // Compiling would take longer than all the work.
    expect(first(32, 32, 56, 5)).toBe('direct');
  });

  it('leaves F(4 × 4) out where equal sums must be rounded alike', () => {
    for (const traits of [CORES, GPU]) {
      const candidates = conv2dVariants(traits, layer(256, 256, 56), 'forward', 5, 'f32', true);
      expect([...candidates].sort()).toEqual(CONV2D_VARIANTS.filter((name) => name !== 'winograd-4').sort());
    }
    expect(conv2dVariants(CORES, layer(256, 256, 56), 'forward', 5, 'f32', true)[0]).toBe('winograd-2');
  });

  it('follows the precision in what it computes in, and the shape in the tile', () => {
    for (const traits of [CORES, GPU]) {
      const candidates = conv2dVariants(traits, layer(256, 256, 56), 'forward', 5, 'f16');
      expect([...candidates].sort()).toEqual([...HALF_VARIANTS].sort());
      const [single] = conv2dVariants(GPU, layer(256, 256, 56), 'forward', 5);
      expect(candidates[0]).toBe(single?.replace('implicit', 'half'));
      expect(conv2dVariants(traits, layer(3, 64, 224, 7), 'forward', 5, 'f16')).toEqual(['direct']);
    }
    const stored = conv2dVariants(GPU, layer(256, 256, 56), 'forward', 5, 'f16-storage');
    expect(stored).toEqual(conv2dVariants(GPU, layer(256, 256, 56), 'forward', 5, 'f32'));
  });

  it('does not look at how the samples are batched', () => {
    const shape = layer(512, 512, 28);
    expect(conv2dVariants(CORES, shape, 'forward', 51)).toEqual(conv2dVariants(CORES, shape, 'forward', 9));
  });
});
