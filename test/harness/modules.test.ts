import { expect, it } from 'vitest';
import { findCycle, type ImportGraph, importGraph, onlyReexports, reachableFrom, upwardImports } from './modules.ts';

const graph = (imports: Record<string, string[]>): ImportGraph => new Map(Object.entries(imports));

it('reads static, dynamic, type-only and raw imports, and re-exports', () => {
  const files = [
    'src/node/adapters.ts',
    'src/ops/noise.ts',
    'src/ops/relu.ts',
    'src/index.ts',
    'test/harness/adapter.ts',
  ];
  const found = importGraph(files);
  expect(found.get('src/ops/noise.ts')).toContain('shaders/ops/noise.wgsl');
  // Static ones first.
  expect(found.get('src/ops/relu.ts')).toEqual([
    'src/gpu/buffers.ts',
    'src/gpu/encoder.ts',
    'src/ops/common.ts',
    'shaders/lib/mask-blocks.wgsl',
    'shaders/ops/relu.grad-input.wgsl',
    'shaders/ops/relu.wgsl',
  ]);
  expect(found.get('src/index.ts')).toContain('src/cam/outcome.ts');
  expect(found.get('src/node/adapters.ts')).toContain('node:fs');
  expect(found.get('test/harness/adapter.ts')).toContain('webgpu');
});

it('follows imports to what is reachable', () => {
  const modules = graph({ a: ['b', 'node:fs'], b: ['c', 'a'], c: [], d: ['sharp'] });
  expect(reachableFrom('a', modules).sort()).toEqual(['a', 'b', 'c', 'node:fs']);
});

it('finds a cycle, however long', () => {
  expect(findCycle(graph({ a: ['b', 'c'], b: ['d'], c: ['d'], d: [] }))).toBeUndefined();
  expect(findCycle(graph({ a: ['b'], b: ['c'], c: ['d'], d: ['b'] }))).toEqual(['b', 'c', 'd', 'b']);
  expect(findCycle(graph({ a: ['a'] }))).toEqual(['a', 'a']);
});

it('finds imports that point up or aside, and parts that have no level', () => {
  const levels = [['low'], ['left', 'right'], ['high']];
  const partOf = (file: string) => (file.includes('/') ? file.split('/')[0] : undefined);
  const modules = graph({
    'low/a': ['low/b', 'high/a', 'node:fs'],
    'left/a': ['low/a', 'right/a'],
    'high/a': ['left/a', 'low/a', 'new/a'],
    'new/a': ['low/a'],
  });
  expect(upwardImports(modules, levels, partOf)).toEqual([
    'low/a → high/a',
    'left/a → right/a',
    'high/a → new/a',
    'new/a → low/a',
  ]);
});

it('tells an entry from a module with something of its own', () => {
  expect(onlyReexports('src/index.ts')).toBe(true);
  expect(onlyReexports('src/ops/relu.ts')).toBe(false);
});
