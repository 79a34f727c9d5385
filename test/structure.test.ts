/** The shape of the project: what an op consists of, and that imports point down only. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OPS } from '../bench/ops.ts';
import {
  filesBelow,
  findCycle,
  importGraph,
  onlyReexports,
  ROOT,
  reachableFrom,
  upwardImports,
} from './harness/modules.ts';

/** Parts of src, the lowest first. A part imports from those above it in this table, and never from its neighbours. */
const LEVELS = [
  ['version.ts', 'errors.ts', 'methods.ts', 'scores.ts', 'traced.ts', 'sum.ts'],
  ['on-demand.ts', 'option-names.ts', 'class-names.ts', 'conventions.ts', 'precision.ts', 'score-table.ts'],
  ['custom-method.ts', 'method-table.ts', 'presets.ts', 'check-precision.ts'],
  ['define-method.ts', 'checked-precision.ts'],
  ['options.ts', 'gpu', 'weights', 'scenes'],
  ['resolve-options.ts', 'ops'],
  ['checked-options.ts'],
  ['network', 'cam', 'image'],
  ['model.ts'],
  ['explanation.ts', 'refusals.ts'],
  ['job.ts', 'tune.ts', 'fusion.ts', 'difference.ts', 'presented-maps.ts'],
  [
    'fused-explanation.ts',
    'batches.ts',
    'input-passes.ts',
    'masked-passes.ts',
    'other-scores.ts',
    'other-weights.ts',
    'kept-results.ts',
    'several-passes.ts',
    'classify.ts',
  ],
  ['maps.ts', 'class-passes.ts'],
  ['parts.ts'],
  ['explain.ts'],
  ['progressive.ts', 'trace.ts', 'evaluate'],
  ['index.ts'],
  ['node', 'element'],
  ['node.ts', 'element.ts'],
  ['cli'],
];

/** Packages that the build puts into dist/index.js; the core needs no other. */
const BUNDLED = [/^wgsl-preprocessor\//, /^@noble\/hashes\//];

const ENTRIES = ['src/index.ts', 'src/node.ts'];

const SOURCES = filesBelow('src', '.ts');
const GRAPH = importGraph(SOURCES);
const isOurs = (file: string) => /^(src|shaders)\//.test(file);

describe('an op is one stem', () => {
  // A file may be one of several of its stem, with a second word: a direction, a family of kernels, a half of the work.
  const stemOf = (file: string) => basename(file).split('.')[0]!;
  const stems = [...new Set(filesBelow('src/ops', '.ts').map(stemOf))].filter((stem) => stem !== 'common');
  const shaders = filesBelow('shaders/ops', '.wgsl');

  it.each(stems)('%s', (stem) => {
    const parts = [`test/reference/${stem}.ts`, `test/ops/${stem}.test.ts`];
    expect(parts.filter((part) => !existsSync(`${ROOT}/${part}`))).toEqual([]);
    expect(shaders.map(stemOf), 'stems of shaders/ops').toContain(stem);
    expect(Object.keys(OPS), 'rows of OPS in bench/ops.ts').toContain(stem);
  });

  it('has no rows in the bench without an op', () => {
    expect(Object.keys(OPS).filter((stem) => !stems.includes(stem))).toEqual([]);
  });

  it('is the only user of its shaders', () => {
    for (const shader of shaders) {
      const users = SOURCES.filter((file) => GRAPH.get(file)?.includes(shader));
      expect(users, shader).toHaveLength(1);
      expect(users[0]).toMatch(`src/ops/${stemOf(shader)}.`);
    }
  });

  it('leaves no shader library unused', () => {
    const imported = new Set([...GRAPH.values()].flat());
    expect(filesBelow('shaders/lib', '.wgsl').filter((library) => !imported.has(library))).toEqual([]);
  });

  it('has an oracle that shares no code with it', () => {
    const oracles = filesBelow('test/reference', '.ts').filter((file) => !file.endsWith('.test.ts'));
    const foreign = [...importGraph(oracles).values()].flat().filter((file) => !file.startsWith('test/reference/'));
    expect(foreign).toEqual([]);
  });
});

describe('imports', () => {
  it('point down only', () => {
    const partOf = (file: string) => (file.startsWith('src/') ? file.split('/')[1] : undefined);
    expect(upwardImports(GRAPH, LEVELS, partOf)).toEqual([]);
  });

  it('form no cycle', () => {
    expect(findCycle(GRAPH)).toBeUndefined();
  });

  it('of shaders are those of ops', () => {
    const users = SOURCES.filter((file) => GRAPH.get(file)?.some((imported) => imported.startsWith('shaders/')));
    expect(users.filter((file) => !file.startsWith('src/ops/'))).toEqual([]);
  });

  it('of the core take it nowhere but to bundled packages', () => {
    const outside = reachableFrom('src/index.ts', GRAPH).filter((module) => !isOurs(module));
    expect(outside.length).toBeGreaterThan(0);
    expect(outside.filter((module) => !BUNDLED.some((bundled) => bundled.test(module)))).toEqual([]);
  });
});

it('is used by its page by its public names alone', () => {
  const files = filesBelow('demo', '.ts').filter((file) => !/(vite\.config|rendered-docs)\.ts$/.test(file));
  const imported = new Set([...importGraph(files).values()].flat());
  expect([...imported].filter((module) => !module.startsWith('demo/')).sort()).toEqual([
    'gradcam-webgpu',
    'gradcam-webgpu/element',
  ]);
});

it('has no file that only re-exports, but its entries', () => {
  const files = ['src', 'test', 'bench'].flatMap((folder) => filesBelow(folder, '.ts'));
  expect(files.filter(onlyReexports)).toEqual(ENTRIES);
});
