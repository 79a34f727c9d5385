import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readPicture } from '../../src/node/image.ts';
import { runMain as run } from './run-main.ts';

const root = mkdtempSync(join(tmpdir(), 'gradcam-compare-'));
const NOTED = ['--weights', 'random:3', '--width', '1/32'];
const TINY = [...NOTED, '--quiet'];
afterAll(() => rmSync(root, { recursive: true }));

async function compare(...flags: string[]) {
  const folder = mkdtempSync(join(root, 'with-'));
  const { code, stdout, stderr } = await run(['compare', '--out', folder, '--json', ...flags]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const comparison = JSON.parse(stdout);
  const { picture, json } = comparison.files;
  expect(readdirSync(folder).toSorted()).toEqual(['scene.compare.json', 'scene.compare.png']);
  expect(JSON.parse(readFileSync(json, 'utf8'))).toEqual(comparison);
  return { ...comparison, sheet: await readPicture(picture) };
}

describe('compare', () => {
  it('takes the methods of the paper, with noise for the smooth one, and says how far they differ', async () => {
    const { rows, predictions, sheet } = await compare('--quiet');
    expect(rows).toHaveLength(1);
    const [{ columns, pairs, ...row }] = rows;
    expect(row).toEqual({ classIndex: 9, label: 'tree', layer: 'block5_conv3', filters: null });
    expect(predictions[0].classIndex).toBe(9);
    const kinds = columns.map(({ name, options }: (typeof columns)[0]) => [name, options.method, options.nSamples]);
    expect(kinds).toEqual([
      ['Grad-CAM', 'grad-cam', 0],
      ['Grad-CAM++', 'grad-cam++', 0],
      ['Smooth Grad-CAM++', 'smooth-grad-cam++', 5],
    ]);
    expect(pairs.map(({ a, b }: { a: string; b: string }) => `${a} | ${b}`)).toEqual([
      'Grad-CAM | Grad-CAM++',
      'Grad-CAM | Smooth Grad-CAM++',
      'Grad-CAM++ | Smooth Grad-CAM++',
    ]);
    for (const { maxDifference, rankCorrelation, overlap } of pairs) {
      expect(maxDifference).toBeGreaterThan(0.05);
      expect(rankCorrelation).toBeLessThan(0.99);
      expect(overlap).toBeGreaterThan(0.3);
    }
    // Four pictures of the scene's own size.
    expect([sheet.width, sheet.height > 224 + 40]).toEqual([4 * (224 + 8) + 8, true]);
  });

  it('has a row for each class, layer and feature map, and a column for each preset', async () => {
    const flags =
      '--presets official,torch-cam --samples 2 --class 1,0 --layer block5_conv3,block5_conv2 --filters 0,5';
    const { rows, sheet } = await compare(...TINY, ...flags.split(' '));
    const places = rows.map(({ classIndex, layer, filters }: (typeof rows)[0]) => [classIndex, layer, filters]);
    expect(places).toEqual(
      [1, 0].flatMap((classIndex) =>
        ['block5_conv3', 'block5_conv2'].flatMap((layer) => [0, 5].map((filter) => [classIndex, layer, [filter]])),
      ),
    );
    for (const { columns, pairs } of rows) {
      expect(pairs).toHaveLength(1);
      expect(columns).toMatchObject([
        { name: 'official', options: { preset: 'official', nSamples: 2, stdDev: 0.15 } },
        { name: 'torch-cam', options: { preset: 'torch-cam', nSamples: 2, stdDev: 0.3, noiseScale: 'absolute' } },
      ]);
      // A feature map with nothing in it does not count as one of the others.
      for (const { max, outcome } of columns) expect(outcome === 'ok').toBe(max > 0);
    }
    expect(sheet.height).toBeGreaterThan(8 * (224 + 8));
  });

  it('compares maps of different sizes', async () => {
    const { rows } = await compare(...TINY, '--methods', 'gradient,layer-cam', '--layer', 'block4_conv3');
    const [{ columns, pairs, layer }] = rows;
    expect(layer).toBe('block4_conv3');
    expect(columns[0].options.layerName).toBeNull();
    expect(pairs[0].maxDifference).toBeGreaterThan(0.5);
  });

  it('takes fused layers as one, and a contrast', async () => {
    const flags = '--methods grad-cam,layer-cam --layer block4_conv3,block5_conv3 --fusion max --class 0 --contrast 2';
    const { rows } = await compare(...TINY, ...flags.split(' '));
    expect(rows).toHaveLength(1);
    expect(rows[0].layer).toBe('block4_conv3, block5_conv3 (max)');
    expect(rows[0].columns[0].options).toMatchObject({ fusion: 'max', contrast: 2 });
  });

  it('says it in a table', async () => {
    const { code, stdout } = await run(['compare', ...TINY, '--methods', 'grad-cam,layer-cam', '--out', root]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^the scene: class \d+\nat block5_conv3 +largest difference {2}rank correlation {2}overlap\n/,
    );
    expect(stdout).toMatch(
      /\n {2}Grad-CAM \| LayerCAM +\d\.\d{3} +-?\d\.\d{3} +\d\.\d{3}\n {2}largest values: Grad-CAM /,
    );
    expect(stdout.trimEnd().split('\n').slice(-2)).toEqual([
      `  ${join(root, 'scene.compare.png')}`,
      `  ${join(root, 'scene.compare.json')}`,
    ]);
  });

  it('says where noisy copies change nothing', async () => {
    const flags = ['--methods', 'grad-cam,layer-cam', '--samples', '2', '--out', join(root, 'idle')];
    const { code, stderr } = await run(['compare', ...NOTED, ...flags]);
    expect(code).toBe(0);
    expect(stderr).toContain('--samples changes nothing here: it goes with a smooth method');
  });

  it.each([
    [
      'a single method',
      ['--methods', 'grad-cam'],
      /--methods: got "grad-cam"; allowed: at least two methods or presets/,
    ],
    [
      'a single preset',
      ['--presets', 'official'],
      /--presets: got "official"; allowed: at least two methods or presets/,
    ],
    ['a method that is not for the network', ['--methods', 'grad-cam,cam'], /--methods: got "cam"; allowed: hires-cam/],
    [
      'a method twice',
      ['--methods', 'grad-cam,grad-cam'],
      /--methods: got "grad-cam,grad-cam"; allowed: each method once/,
    ],
    ['an unknown method', ['--methods', 'grad-cam,lime'], /--methods: got "lime"; allowed: grad-cam, /],
    [
      'an unknown preset',
      ['--presets', 'official,captum'],
      /--presets: got "captum"; allowed: paper-eq7, grad-cam\+\+, /,
    ],
    ['an unknown layer', ['--layer', 'block5_conv3,conv9'], /--layer: got "conv9"; allowed: block1_conv1, /],
    ['a filter out of range', ['--filters', '64'], /--filters: got 64.*0 to 63/],
    ['the flag of one method', ['--method', 'grad-cam'], /unknown option '--method'/],
  ])('refuses %s', async (_, flags, message) => {
    const { code, stdout, stderr } = await run(['compare', ...flags, '--out', join(root, 'never')]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });
});
