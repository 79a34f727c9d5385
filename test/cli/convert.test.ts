import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SCENE_CLASSES } from '../../src/scenes/classes.ts';
import { serve } from '../weights/helpers.ts';
import { encodeSafetensors, float32 } from '../weights/made-files.ts';
import { runMain as run } from './run-main.ts';

const BUILT_IN = join(process.cwd(), 'models', 'vgg16-scenes.safetensors');
const INDEX = 'model.safetensors.index.json';

const root = mkdtempSync(join(tmpdir(), 'gradcam-cli-convert-'));
const outsideRoot = process.cwd();
const cacheBefore = process.env.GRADCAM_CACHE;
beforeAll(() => {
  process.chdir(root);
  process.env.GRADCAM_CACHE = join(root, 'cache');
  mkdirSync('mine');
  writeFileSync('mine/notes.txt', 'mine');
  writeFileSync('other.safetensors', encodeSafetensors([float32('w', [2, 2], [1, 2, 3, 4])]));
  writeFileSync('three.json', JSON.stringify(['a', 'b', 'c']));
});
afterAll(() => {
  process.chdir(outsideRoot);
  if (cacheBefore === undefined) delete process.env.GRADCAM_CACHE;
  else process.env.GRADCAM_CACHE = cacheBefore;
  rmSync(root, { recursive: true });
});

const mapOf = (folder: string) => readFileSync(join(folder, 'scene.grad-cam++.npy'));
const explainScene = (out: string, ...flags: string[]) =>
  run(['explain', '--method', 'grad-cam++', '--out', out, '--json', ...flags]);

describe('converted weights of the built-in model', () => {
  it('are smaller, and say what their rounding moves', async () => {
    const { code, stdout, stderr } = await run(['convert', '--to', 'u8', '--precision', 'u8', '--shard-mb', '0.25']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /^u8.model\.safetensors\.index\.json: vgg16-scenes\n {2}3 files, 0\.651 MB; the source has 1\.30 MB\n/,
    );
    expect(stdout).toMatch(/scene 0: 10 \(cup\), 96\.\d\d % → 96\.\d\d %; logits move by 0\.0\d+ at most/);
    expect(stdout).toMatch(/the same most probable class on 8 of 8; at most, a logit moves by 0\.\d+ and a map by \d+/);
    expect(readdirSync('u8')).toHaveLength(4);
    expect(readdirSync('.').filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('are loaded by what their index tells, from a folder and from a server', async () => {
    const { code, stdout } = await run([
      'explain',
      '--weights',
      'u8',
      '--method',
      'grad-cam++',
      '--out',
      'local',
      '--json',
    ]);
    expect(code).toBe(0);
    const record = JSON.parse(stdout);
    expect(record.model).toMatchObject({ name: 'vgg16-scenes', weights: { format: 'safetensors' } });
    expect(record.label).toBe('tree');
    const files = readdirSync('u8').map((name) => [`/u8/${name}`, readFileSync(join('u8', name))] as const);
    const server = await serve(Object.fromEntries(files));
    const remote = await explainScene('remote', '--weights', `${server.url}u8/`);
    await server.close();
    expect(remote).toMatchObject({ code: 0, stderr: '' });
    expect(mapOf('remote')).toEqual(mapOf('local'));
    expect(JSON.parse(remote.stdout).model.weights.checksum).toBe(record.model.weights.checksum);
  });

  it('are the same as before where nothing is rounded', async () => {
    const { stdout } = await run(['convert', BUILT_IN, '--to', 'f16', '--json', '--model', 'vgg16-scenes']);
    const { index, model, files, totalBytes, moves } = JSON.parse(stdout);
    expect({ index, model, files: files.length }).toEqual({
      index: join('f16', INDEX),
      model: 'vgg16-scenes',
      files: 1,
    });
    expect(totalBytes).toBe(650_164 * 2);
    expect(moves).toHaveLength(8);
    for (const { logits, map, top } of moves) {
      expect({ ...logits, map }).toEqual({ largest: 0, rms: 0, map: 0 });
      expect(SCENE_CLASSES).toContain(top[0].label);
      expect(top[1]).toEqual(top[0]);
    }
  });

  it('can be made of other pictures, and converted again', async () => {
    const picture = join('local', 'scene.grad-cam++.png');
    const { stdout } = await run([
      'convert',
      'u8',
      '--to',
      'f32',
      '--precision',
      'f32',
      '--json',
      '--pictures',
      picture,
    ]);
    const [move, ...rest] = JSON.parse(stdout).moves;
    expect(rest).toEqual([]);
    // 8 bits are exact in float32; only the matrices' kernels are others.
    expect(move).toMatchObject({ picture, top: [{ label: 'tree' }, { label: 'tree' }] });
    expect(move.logits.largest).toBeLessThan(1e-4);
    expect(JSON.parse(readFileSync(join('f32', INDEX), 'utf8')).metadata.gradcam).toMatchObject({
      precision: 'f32',
      model: { name: 'vgg16-scenes', labels: SCENE_CLASSES },
    });
  });
});

describe('weights at an address', () => {
  it('are asked for once', async () => {
    const server = await serve({ '/mine.safetensors': readFileSync(BUILT_IN) });
    const { code } = await explainScene('asked', '--weights', `${server.url}mine.safetensors`);
    await server.close();
    expect({ code, requests: server.requests }).toEqual({ code: 0, requests: ['/mine.safetensors'] });
  });

  it('are given back where they are not read', async () => {
    const closed: Promise<unknown>[] = [];
    const server = await serve({
      // Never ends by itself.
      '/mine.safetensors': (response) => {
        closed.push(once(response, 'close'));
        response.write(readFileSync(BUILT_IN).subarray(0, 500_000));
      },
    });
    const { code } = await explainScene('unread', '--weights', `${server.url}mine.safetensors`, '--layer', 'conv9');
    await Promise.all(closed);
    await server.close();
    expect({ code, requests: closed.length }).toEqual({ code: 2, requests: 1 });
  });
});

describe('weights of no known network', () => {
  it('are converted, and no picture is asked for', async () => {
    const { code, stdout, stderr } = await run(['convert', 'other.safetensors', '--to', 'other', '--precision', 'f32']);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `${join('other', INDEX)}: weights of no known network\n  1 file, 16 bytes; the source has 112 bytes\n`,
    });
    expect(stderr).toBe('other.safetensors: of no network that is known here; the index will not name one\n');
    const explained = await run(['explain', '--weights', 'other', '--out', 'none']);
    expect(explained.code).toBe(1);
    expect(explained.stderr).toMatch(/no network that the library knows.*found 1 tensors: w/);
  });
});

describe('a call that is wrong does nothing', () => {
  it.each<[string, string[], number, RegExp]>([
    ['without a folder', [BUILT_IN], 2, /required option '--to <folder>' not specified/],
    ['into a folder of others', [BUILT_IN, '--to', 'mine', '--force'], 2, /--to: got "mine"; .* it holds notes\.txt/],
    ['over a conversion', [BUILT_IN, '--to', 'u8'], 2, /--to: got "u8"; allowed: a new folder; .* say --force$/m],
    ['in another format', [BUILT_IN, '--to', 'x', '--precision', 'u4'], 2, /--precision.*'u4'.*f32, f16, u8/],
    ['into crumbs', [BUILT_IN, '--to', 'x', '--shard-mb', '0'], 2, /--shard-mb.*at least 0\.1/],
    [
      'of another network',
      [BUILT_IN, '--to', 'x', '--model', 'vgg16'],
      2,
      /--model: got "vgg16"; .*which is vgg16-scenes/,
    ],
    ['with labels too few', [BUILT_IN, '--to', 'x', '--labels', 'three.json'], 2, /--labels: .*12 labels.*it has 3/],
    ['of nothing', ['nowhere', '--to', 'x'], 1, /nowhere: no such file/],
    ['on no picture', [BUILT_IN, '--to', 'x', '--pictures', 'three.json'], 1, /three\.json/],
    [
      'on pictures for no known network',
      ['other.safetensors', '--to', 'x', '--pictures', 'p.png'],
      2,
      /--pictures: got "p\.png"; .*known network/,
    ],
  ])('%s', async (_, args, expected, message) => {
    const { code, stdout, stderr } = await run(['convert', ...args]);
    expect({ code, stdout }).toEqual({ code: expected, stdout: '' });
    expect(stderr).toMatch(message);
    expect(existsSync('x')).toBe(false);
    expect(readFileSync('mine/notes.txt', 'utf8')).toBe('mine');
  });
});
