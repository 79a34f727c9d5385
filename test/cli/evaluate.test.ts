import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMPARED_METHODS } from '../../src/methods.ts';
import { runMain } from './run-main.ts';

const root = mkdtempSync(join(tmpdir(), 'gradcam-evaluate-'));
const outsideRoot = process.cwd();
beforeAll(async () => {
  mkdirSync(join(root, 'photos'));
  for (const [name, level] of [
    ['a', 40],
    ['b', 90],
    ['c', 140],
    ['d', 190],
  ] as const) {
    const pixels = Uint8Array.from({ length: 3 * 50 * 40 }, (_, i) => (level + (i * i) / 7) % 256);
    await sharp(pixels, { raw: { width: 50, height: 40, channels: 3 } })
      .png()
      .toFile(join(root, 'photos', `${name}.png`));
  }
  // a: the left half; b: nothing; c: a border around a block; d has no trimap.
  await trimap('a', (x) => (x < 25 ? 1 : 2));
  await trimap('b', () => 2);
  await trimap('c', (x, y) => (x > 20 && y > 20 ? (x > 23 && y > 23 ? 1 : 3) : 2));
  process.chdir(root);
});
afterAll(() => {
  process.chdir(outsideRoot);
  rmSync(root, { recursive: true });
});

async function trimap(name: string, value: (x: number, y: number) => number): Promise<void> {
  const values = Uint8Array.from({ length: 50 * 40 }, (_, i) => value(i % 50, Math.floor(i / 50)));
  await sharp(values, { raw: { width: 50, height: 40, channels: 1 } })
    .toColourspace('b-w')
    .png()
    .toFile(join(root, 'photos', `${name}.trimap.png`));
}

const run = (args: string[], options?: Parameters<typeof runMain>[1]) => runMain(['evaluate', ...args], options);

const TINY = ['--weights', 'random:3', '--width', '1/32', '--quiet'];
const PHOTOS = ['--images', 'photos', ...TINY];
const SCENES = (count: number) => ['--scenes', `${count}`, ...TINY];

function journalOf(folder: string): string {
  const files = readdirSync(folder).filter((name) => name.endsWith('.jsonl'));
  expect(files).toHaveLength(1);
  return join(folder, files[0]!);
}

describe('bad calls end with 2, one message, and nothing done', () => {
  it.each([
    ['nothing to measure on', TINY, /--scenes: not given; needed: a number of scenes, or else .*--images/],
    [
      'scenes and pictures',
      ['--images', 'photos', ...SCENES(1)],
      /--scenes: got 1; allowed: to be left out with --images/,
    ],
    ['no scene', SCENES(0), /--scenes: got 0; allowed: a whole number from 1/],
    ['five instances', ['--instances', '5', ...SCENES(1)], /--instances: got 5; allowed: a whole number from 1 to 4/],
    ['instances of pictures', ['--instances', '2', ...PHOTOS], /--instances: got 2.*--scenes only/],
    ['a class for scenes', ['--class', '3', ...SCENES(1)], /--class: got 3.*main class/],
    ['several classes', ['--class', '3,4', ...PHOTOS], /--class: got "3,4"; allowed: one class/],
    [
      'a class out of range',
      ['--class', '1000', ...PHOTOS],
      /--class: got 1000; allowed: a whole number from 0 to 999/,
    ],
    ['masks for scenes', ['--masks', 'photos', ...SCENES(1)], /--masks.*--images only/],
    ['a folder that is not there', ['--images', 'none', ...TINY], /--images: got "none"/],
    ['a folder without pictures', ['--images', '.', ...TINY], /--images: got "\."; allowed: a folder with pictures/],
    ['an unknown method', ['--methods', 'grad-cam,lime', ...SCENES(1)], /--methods: got "lime"; allowed: grad-cam, /],
    ['a file that is not there', ['--methods', 'grad-cam,own.mjs', ...SCENES(1)], /--methods: got "own\.mjs".*module/],
    [
      'one layer to fuse',
      ['--fusion', 'max', ...SCENES(1)],
      /--fusion: got "max"; allowed: nothing for a single layer/,
    ],
    ['a method twice', ['--methods', 'grad-cam,grad-cam', ...SCENES(1)], /--methods.*each method once/],
    ['negative n', ['--samples', '5,-1', ...SCENES(1)], /--samples: got -1; allowed: a whole number from 0/],
    ['σ that is no number', ['--std-dev', '0.1,x', ...SCENES(1)], /--std-dev.*0\.1,x.*Expected a number/],
    ['a threshold of 0', ['--threshold', '0', ...SCENES(1)], /--threshold: got 0; allowed: .*above 0/],
    ['an unknown layer', ['--layer', 'conv9', ...SCENES(1)], /--layer: got "conv9"/],
    ['a negative seed', ['--seed', '-1', ...SCENES(1)], /--seed: got -1/],
    ['a folder for a file', ['--csv', 'photos', ...SCENES(1)], /--csv: got "photos"; allowed: a file/],
    ['a file for a folder', ['--out', 'photos/a.png', ...SCENES(1)], /--out: got "photos\/a\.png"; allowed: a folder/],
  ])('%s', async (_, args, message) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^gradcam: .*\n$/);
    expect(existsSync('out')).toBe(false);
  });
});

describe('on scenes', () => {
  it('prints one line of JSON: each method with its metrics, their intervals and paired differences', async () => {
    const { code, stdout, stderr } = await run([...SCENES(6), '--seed', '4', '--samples', '2', '--json', '--out', 'a']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.trim().split('\n')).toHaveLength(1);
    const result = JSON.parse(stdout);
    expect(Object.keys(result.methods)).toEqual(COMPARED_METHODS);
    for (const [name, method] of Object.entries<Record<string, never>>(result.methods)) {
      for (const metric of ['pointing', 'energy', 'iou', 'bestIou', 'recall']) {
        const { value, low, high, difference } = method[metric] as unknown as Record<string, never>;
        expect(0 <= low && low <= value && value <= high && high <= 1).toBe(true);
        expect(difference === null).toBe(name === 'grad-cam');
      }
    }
    const values = (name: string, metric: string) => result.methods[name][metric].value;
    expect(result.methods['grad-cam++'].iou.difference.value).toBe(
      values('grad-cam++', 'iou') - values('grad-cam', 'iou'),
    );
    expect(result).toMatchObject({ pictures: 6, set: { kind: 'scenes', seed: 4, count: 6 }, withoutObject: 0 });
    expect(result.instances).toBeGreaterThanOrEqual(6);
    expect(result.journal).toBe(journalOf('a'));
  });

  it('says which flags change nothing', async () => {
    const flags = ['--methods', 'grad-cam', '--noise-scale', 'absolute', '--alpha-numerator', 'first'];
    const { stderr } = await run([...SCENES(1).filter((flag) => flag !== '--quiet'), ...flags, '--out', 'idle']);
    expect(stderr).toMatch(/^--noise-scale changes nothing here: it goes with noisy copies/m);
    expect(stderr).toMatch(/^--alpha-numerator changes nothing here: it goes with a method with alpha$/m);
  });

  it('explains the main class of each, with noise and scenes of its own', async () => {
    await run([...SCENES(5), '--seed', '9', '--methods', 'grad-cam', '--out', 'b']);
    const [, ...lines] = readFileSync(journalOf('b'), 'utf8').trimEnd().split('\n');
    const records = lines.map((line) => JSON.parse(line));
    expect(records.map(({ id }) => id)).toEqual(['scene 0', 'scene 1', 'scene 2', 'scene 3', 'scene 4']);
    expect(new Set(records.map(({ fingerprint }) => fingerprint)).size).toBe(5);
    expect(records.every(({ result }) => result.classIndex < 12)).toBe(true);
    expect(new Set(records.map(({ result }) => result.classIndex)).size).toBeGreaterThan(1);
  });

  it('has as many objects as asked for', async () => {
    const { stdout } = await run([...SCENES(4), '--instances', '3', '--methods', 'grad-cam', '--json', '--out', 'c']);
    expect(JSON.parse(stdout)).toMatchObject({ pictures: 4, instances: 12, set: { instances: 3 } });
  });

  it('takes every n with every σ as a method of its own; n = 0 is Grad-CAM++', async () => {
    const smooth = ['--methods', 'grad-cam++,smooth-grad-cam++', '--samples', '0,1', '--std-dev', '0.1,0.3'];
    const { stdout } = await run([...SCENES(3), ...smooth, '--json', '--out', 'd']);
    const { methods } = JSON.parse(stdout);
    expect(Object.keys(methods)).toEqual([
      'grad-cam++',
      'smooth-grad-cam++ n=0',
      'smooth-grad-cam++ n=1 std-dev=0.1',
      'smooth-grad-cam++ n=1 std-dev=0.3',
    ]);
    expect(methods['smooth-grad-cam++ n=0'].energy.difference).toEqual({ value: 0, low: 0, high: 0 });
    expect(methods['smooth-grad-cam++ n=1 std-dev=0.1'].energy.value).not.toBe(methods['grad-cam++'].energy.value);
  });

  it('takes methods from files, and measures again when a file has changed', async () => {
    const definition = (power: number) =>
      `export default { name: 'own', weights: async ({ shape: [maps], gradients }) => {
        const values = await gradients.array();
        const cells = values.length / maps;
        return Float32Array.from({ length: maps }, (_, k) => values[k * cells] ** ${power});
      } };`;
    writeFileSync('own.mjs', definition(1));
    writeFileSync('layer.mjs', "export default { name: 'own-layer', map: 'max(d1, 0.0)' };");
    const methods = ['--methods', 'layer-cam,layer.mjs,own.mjs', '--layer', 'block3_conv3'];
    const args = [...SCENES(2), ...methods, '--json', '--out', 'files'];
    const first = JSON.parse((await run(args)).stdout);
    expect(Object.keys(first.methods)).toEqual(['layer-cam', 'own-layer', 'own']);
    expect(first.methods['own-layer'].energy.value).toBeCloseTo(first.methods['layer-cam'].energy.value, 5);
    expect(first.options[2]).toMatchObject({ name: 'own', file: expect.stringMatching(/^sha256-/) });
    writeFileSync('own.mjs', definition(2));
    const again = JSON.parse((await run(args)).stdout);
    expect(again.journal).not.toBe(first.journal);
  });

  it('measures layers one by one, or fused', async () => {
    const args = [...SCENES(2), '--methods', 'layer-cam,gradient', '--layer', 'block3_conv3,block5_conv3', '--json'];
    const apart = JSON.parse((await run([...args, '--out', 'apart'])).stdout);
    expect(Object.keys(apart.methods)).toEqual(['layer-cam block3_conv3', 'layer-cam block5_conv3', 'gradient']);
    const fused = JSON.parse((await run([...args, '--fusion', 'max', '--out', 'fused'])).stdout);
    expect(Object.keys(fused.methods)).toEqual(['layer-cam', 'gradient']);
    const layerName = ['block3_conv3', 'block5_conv3'];
    expect(fused.options[0].options).toMatchObject({ method: 'layer-cam', layerName, fusion: 'max' });
    expect(fused.methods['layer-cam'].energy.value).not.toBe(apart.methods['layer-cam block3_conv3'].energy.value);
  });

  it('prints a table, and writes it as CSV', async () => {
    const { code, stdout } = await run([...SCENES(4), '--csv', 'tables/e.csv', '--out', 'e', '--threshold', '0.4']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^4 scenes \(seed 0\); 4 measured, with \d+ objects; vgg16$/m);
    expect(stdout).toMatch(/^ +pointing +energy +IoU at 0\.4 +best IoU \(at\) +recall at 0\.4$/m);
    expect(stdout).toMatch(/^grad-cam( +\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]){3}/m);
    expect(stdout).toMatch(/^less grad-cam:\n(.*\n)*smooth-grad-cam\+\+ +[+-]?\d\.\d{3} \[/m);
    const [header, ...rows] = readFileSync('tables/e.csv', 'utf8').trimEnd().split('\n');
    expect(header!.split(',').slice(0, 5)).toEqual(['method', 'metric', 'value', 'low', 'high']);
    expect(rows).toHaveLength(COMPARED_METHODS.length * 5);
    expect(rows.every((row) => row.split(',').length === header!.split(',').length)).toBe(true);
    expect(rows[2]).toMatch(/^grad-cam,iou,.*,,,,0\.4,4,\d+,\d+$/);
  });
});

describe('an interrupted run', () => {
  const args = (folder: string) => [...SCENES(8), '--samples', '1', '--json', '--out', folder];
  let whole = '';
  beforeAll(async () => {
    whole = (await run(args('whole'))).stdout;
  });
  /** Output but for the folder's name, which is the only thing that may differ. */
  const inFolder = (folder: string) => whole.replace('whole/', `${folder}/`);

  it('goes on after Ctrl-C, and ends with the same numbers', async () => {
    const interrupt = new AbortController();
    const stopped = run(args('stopped'), { signal: interrupt.signal });
    const lines = () =>
      existsSync('stopped') && readdirSync('stopped').length > 0
        ? readFileSync(journalOf('stopped'), 'utf8').split('\n').length - 1
        : 0;
    while (lines() < 4) await new Promise((resolve) => setTimeout(resolve, 5));
    interrupt.abort('SIGINT');
    expect(await stopped).toMatchObject({ code: 130, stdout: '' });
    const before = lines();
    expect(before).toBeLessThan(9);
    const { code, stdout } = await run(args('stopped'));
    expect([code, stdout]).toEqual([0, inFolder('stopped')]);
    expect(lines()).toBe(9);
  });

  it('goes on after a kill in the middle of a line', async () => {
    mkdirSync('killed');
    const journal = journalOf('whole').replace('whole', 'killed');
    const content = readFileSync(journalOf('whole'));
    writeFileSync(journal, content.subarray(0, content.length / 2));
    const { stdout } = await run(args('killed'));
    expect(stdout).toBe(inFolder('killed'));
    expect(readFileSync(journal).equals(content)).toBe(true);
  });

  it('takes everything from a run that ended, and more scenes add to it', async () => {
    const journal = journalOf('whole');
    const { mtimeMs } = statSync(journal);
    expect((await run(args('whole'))).stdout).toBe(whole);
    expect(statSync(journal).mtimeMs).toBe(mtimeMs);
    const withNotes = ['--samples', '1', '--json', '--out', 'whole', '--scenes', '9', ...TINY.slice(0, -1)];
    const more = await run(withNotes);
    expect(more.stderr).toContain('8 of 9 were measured before');
    expect(JSON.parse(more.stdout)).toMatchObject({ pictures: 9, journal });
  });

  it.each([
    ['seed', ['--seed', '1']],
    ['layer', ['--layer', 'block4_conv3']],
    ['weights', ['--weights', 'random:4']],
    ['threshold', ['--threshold', '0.3']],
  ])('is not taken for one with another %s', async (name, change) => {
    const common = [...SCENES(1), '--methods', 'grad-cam', '--out', `changed-${name}`];
    await run(common);
    await run([...common, ...change]);
    expect(readdirSync(`changed-${name}`)).toHaveLength(2);
  });
});

describe('on pictures', () => {
  it('measures those with an object, and says what was left out', async () => {
    const notes = PHOTOS.slice(0, -1);
    const { code, stdout, stderr } = await run([...notes, '--methods', 'grad-cam++', '--json', '--out', 'p']);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^Left out, for want of a ground truth: 1 \(photos\/d\.png\)$/m);
    expect(stderr).toMatch(/^Of 2 pictures the intervals are rough/m);
    expect(JSON.parse(stdout)).toMatchObject({
      pictures: 2,
      withoutObject: 1,
      instances: 2,
      set: { kind: 'pictures', images: 'photos', masks: 'photos', count: 3, unlabelled: 1 },
      accuracy: null,
    });
  });

  it('measures again what has changed since', async () => {
    const args = [...PHOTOS, '--methods', 'grad-cam', '--json', '--out', 'q'];
    const before = JSON.parse((await run(args)).stdout);
    await trimap('a', (x) => (x < 45 ? 1 : 2));
    const after = JSON.parse((await run(args)).stdout);
    await trimap('a', (x) => (x < 25 ? 1 : 2));
    expect(after.journal).toBe(before.journal);
    expect(after.objectShare - before.objectShare).toBeCloseTo((45 - 25) / 50 / 2, 9);
  });

  it('explains the class of the call', async () => {
    await run([...PHOTOS, '--methods', 'grad-cam', '--class', '7', '--out', 'r']);
    const [, ...lines] = readFileSync(journalOf('r'), 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).result?.classIndex)).toEqual([7, undefined, 7]);
  });
});

it('counts maps that show nothing instead of dropping them', async () => {
  // Of a random network's maps some have no positive value.
  const args = [
    '--scenes',
    '6',
    '--methods',
    'grad-cam',
    '--weights',
    'random:1',
    '--width',
    '1/32',
    '--quiet',
    '--json',
  ];
  const { methods } = JSON.parse((await run(args)).stdout);
  const { ok, ...others } = methods['grad-cam'].outcomes;
  const nothing = Object.values<number>(others).reduce((sum, n) => sum + n, 0);
  expect(ok + nothing).toBe(6);
  expect(nothing).toBeGreaterThan(0);
  const { stdout } = await run(args.filter((arg) => arg !== '--json'));
  expect(stdout).toMatch(new RegExp(`^Maps of grad-cam that show nothing, and score 0: ${nothing} of 6 \\(`, 'm'));
});
