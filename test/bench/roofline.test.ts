import { describe, expect, it } from 'vitest';
import { row } from '../../bench/report.ts';
import { rooflinePoints, rooflineSvg, spreadOut } from '../../bench/roofline.ts';

const kernel = (id: string, gflops: number, gbytes: number) => [
  row(id, 'time', 'ms', [1]),
  row(id, 'arithmetic', 'GFLOP/s', [gflops]),
  row(id, 'traffic', 'GB/s', [gbytes]),
];
const ROOFS = [
  row('roof', 'multiply-add', 'GFLOP/s', [80]),
  row('roof', 'load', 'GB/s', [12]),
  row('roof', 'bandwidth', 'GB/s', [4]),
];

describe('points of the roofline plot', () => {
  it('are the kernels with arithmetic and traffic', () => {
    const rows = [
      ...ROOFS,
      ...kernel('ops.conv2d.block1_conv2.forward.n4', 20, 0.5),
      row('ops.relu.fc1.mask.n4', 'traffic', 'GB/s', [3]),
      ...kernel('ops.singular-vector.block5_conv3', 2, 0.5),
    ];
    expect(rooflinePoints(rows)).toEqual([
      { label: 'block1_conv2 forward', kind: 'conv2d forward', intensity: 40, gflops: 20, isAlternative: false },
      { label: 'block5_conv3', kind: 'singular-vector', intensity: 4, gflops: 2, isAlternative: false },
    ]);
  });

  it('show the fastest kernel for a work, and the others as alternatives to it', () => {
    const rows = [
      ...kernel('ops.conv2d.block1_conv2.forward.n4', 20, 0.5),
      ...kernel('ops.conv2d.block1_conv2.forward.winograd4.n4', 40, 1),
      ...kernel('ops.conv2d.block1_conv2.forward.implicit-gemm-small.n4', 10, 0.25),
      // Other work: another direction, another layer, another format of the matrix.
      ...kernel('ops.conv2d.block1_conv2.grad-input.n4', 1, 0.5),
      ...kernel('ops.conv2d.block2_conv1.forward.n4', 1, 0.5),
      ...kernel('ops.dense.fc1.torch.float16.forward.n4', 2, 0.5),
      ...kernel('ops.dense.fc1.torch.float32.forward.n4', 1, 0.5),
    ];
    const alternatives = rooflinePoints(rows).filter(({ isAlternative }) => isAlternative);
    expect(alternatives.map(({ label }) => label)).toEqual([
      'block1_conv2 forward',
      'block1_conv2 forward implicit-gemm-small',
    ]);
  });
});

describe('the roofline plot', () => {
  it('needs roofs', () => {
    expect(rooflineSvg(kernel('ops.conv2d.block1_conv2.forward.n4', 20, 0.5), 'none')).toBeUndefined();
  });

  it('has every kernel inside its frame, faster ones higher, with its name unless it is an alternative', () => {
    const rows = [
      ...ROOFS,
      ...kernel('ops.conv2d.block1_conv2.forward.n4', 120, 0.5),
      ...kernel('ops.dense.fc1.keras.forward.n4', 0.01, 0.02),
      ...kernel('ops.conv2d.block1_conv2.forward.implicit-gemm-small.n4', 10, 0.25),
    ];
    const svg = rooflineSvg(rows, 'a <GPU>')!;
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    expect(svg).toContain('<title>a &#60;GPU&#62;</title>');
    const dots = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"[^>]*><title>/g)];
    expect(dots).toHaveLength(3);
    for (const [, x, y] of dots) {
      expect(Number(x)).toBeGreaterThanOrEqual(76);
      expect(Number(x)).toBeLessThanOrEqual(790);
      expect(Number(y)).toBeGreaterThanOrEqual(56);
      expect(Number(y)).toBeLessThanOrEqual(548);
    }
    expect(Number(dots[0]![2])).toBeLessThan(Number(dots[1]![2]));
    expect([...svg.matchAll(/class="name"/g)]).toHaveLength(2);
  });
});

describe('labels', () => {
  it('stay where they are when there is room', () => {
    expect(spreadOut([10, 50], 14, 0, 100)).toEqual([10, 50]);
  });

  it('move apart, and back from the end', () => {
    expect(spreadOut([10, 11, 12], 14, 0, 100)).toEqual([10, 24, 38]);
    expect(spreadOut([90, 95, 99], 14, 0, 100)).toEqual([72, 86, 100]);
  });

  it('draw closer where there are too many', () => {
    expect(spreadOut([5, 5, 5, 5, 5], 14, 0, 20)).toEqual([5, 10, 15, 20, 20].map((_, i) => 5 * i));
  });
});
