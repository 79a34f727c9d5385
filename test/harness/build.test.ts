import { expect, it } from 'vitest';
import { readByTheBuild } from './build.ts';

it('looks at all that the build reads, and at nothing else', () => {
  const read = readByTheBuild();
  const parts = ['src', 'src/gpu/gpu.ts', 'shaders/lib/grid.wgsl', 'vite.worker.config.ts', 'tsconfig.build.json'];
  expect(read).toEqual(expect.arrayContaining([...parts, 'tools/kernel-chunks.ts', 'tools/strip-wgsl.ts']));
  expect(read).not.toContain('tools/run-program.ts');
  expect(new Set(read).size).toBe(read.length);
});
