/** Maps made again from what their files say. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replayRecord } from '../../src/cli/record.ts';
import { relativeDifference } from '../../src/cli/replay.ts';
import { encodeNpy, parseNpy } from '../../src/image/npy.ts';
import { addPngText, explain, PNG_KEYWORD, type Provenance, pngText } from '../../src/index.ts';
import { requestNodeGpu } from '../../src/node/dawn.ts';
import { encodePng, readPicture } from '../../src/node/image.ts';
import { loadModel } from '../../src/node/load-model.ts';
import { checksumOf } from '../../src/weights/sha256.ts';
import { testAdapter } from '../harness/adapter.ts';
import { random } from '../harness/random.ts';
import { runMain as run } from './run-main.ts';

const root = mkdtempSync(join(tmpdir(), 'gradcam-replay-'));
const outsideRoot = process.cwd();
const TINY = ['--weights', 'random:3', '--width', '1/32', '--quiet'];
const METHOD = 'smooth-grad-cam++';

async function writePicture(file: string, seed: number): Promise<void> {
  const { integer } = random(seed);
  const data = Uint8ClampedArray.from({ length: 4 * 40 * 30 }, (_, i) => (i % 4 === 3 ? 255 : integer(0, 255)));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, await encodePng({ data, width: 40, height: 30 }));
}

beforeAll(async () => {
  process.chdir(root);
  await writePicture(join('photos', 'photo.png'), 1);
  await writePicture(join('photos', 'other.png'), 2);
  writeFileSync('peak.mjs', "export default { name: 'peak-cam', map: 'max(d1, 0.0)' };");
  const { code } = await run(['explain', join('photos', 'photo.png'), ...TINY, '--samples', '2', '--out', 'results']);
  expect(code).toBe(0);
});
afterAll(() => {
  process.chdir(outsideRoot);
  rmSync(root, { recursive: true });
});

const RESULT = join('results', `photo.${METHOD}`);

async function replay(file: string, ...flags: string[]) {
  const { code, stdout, stderr } = await run(['replay', file, '--json', ...flags]);
  return { code, stderr, replay: stdout === '' ? undefined : JSON.parse(stdout) };
}

/** The files of the one result that the tests share, in a folder as far from the picture as the first. */
function copyOfResult(folder: string, endings = ['.png', '.npy', '.json']): string {
  mkdirSync(folder);
  for (const ending of endings) copyFileSync(`${RESULT}${ending}`, join(folder, `photo.${METHOD}${ending}`));
  return join(folder, `photo.${METHOD}`);
}

type Record = { source?: unknown; provenance: Provenance };
const readJson = (file: string): Record => JSON.parse(readFileSync(file, 'utf8'));
const writeJson = (file: string, record: unknown) => writeFileSync(file, JSON.stringify(record));

describe('a map made again', () => {
  it.each(['.json', '.png'])('from its %s: with equal bits', async (ending) => {
    const { code, stderr, replay: found } = await replay(`${RESULT}${ending}`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const maker = { library: expect.stringContaining('gradcam-webgpu '), adapter: { isFallback: expect.any(Boolean) } };
    expect(found).toMatchObject({
      file: `${RESULT}${ending}`,
      verdict: 'equal bits',
      greatestDifference: 0,
      comparedWith: `${RESULT}.npy`,
      recorded: maker,
      replayed: maker,
    });
  });

  it('for people: the verdict, and both adapters', async () => {
    const { code, stdout } = await run(['replay', `${RESULT}.png`]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^results.*\.png: equal bits\n {2}recorded: gradcam-webgpu \S+, .+\n {2}replayed: gradcam/);
  });

  it('from the scene that stands in for a picture, wherever its overlay went', async () => {
    expect((await run(['explain', '--out', 'scene', '--quiet', '--method', 'grad-cam'])).code).toBe(0);
    mkdirSync('elsewhere');
    renameSync(join('scene', 'scene.grad-cam.png'), join('elsewhere', 'drawn.png'));
    const { code, replay: found } = await replay(join('elsewhere', 'drawn.png'));
    expect({ code, ...found }).toMatchObject({ code: 0, verdict: 'equal bits', comparedWith: null });
  });

  const CALLS: [what: string, flags: string[]][] = [
    [
      'noise in its own units and batches',
      '--samples 3 --noise-scale absolute --std-dev 9.5 --seed 9007199254740991 --batch 2',
    ],
    ['weighted samples', '--samples 2 --sample-weights score --alpha-numerator first --activations mean --seed 7'],
    ["another program's arithmetic", '--preset torch-cam --samples 3 --std-dev 2 --alpha-epsilon 1e-3 --batch 2'],
    ['a box of a few maps of a layer', '--layer features.10 --filters 3,1 --region 0,1,5,4 --fit crop'],
    ['some cells, summed', '--layer block4_conv2 --filters 3,1 --combine-filters sum --neurons 0,0;5,6 --fit pad'],
    ['a class', '--class 7 --method grad-cam'],
    ['a class rather than another', '--class 7 --contrast 2 --samples 2 --score sigmoid'],
    [
      'the fused maps of layers',
      '--layer block3_conv3,features.28,block4_pool --fusion mean --method layer-cam --samples 2',
    ],
    ['one of several layers', '--layer block3_conv3,block5_conv3 --method grad-cam --samples 2 --batch 2'],
    ['the fused maps of passes', '--layer block4_pool,block5_conv3 --fusion product --method score-cam'],
    ['the difference of two classes', '--class 7,2 --difference --method grad-cam --samples 1'],
    ['the difference of fused maps', '--class 7,2 --difference --layer block4_pool,block5_conv3 --fusion max'],
    ['another score', '--score softmax --max-dropped-share 0.3 --samples 2 --batch 1'],
    ['a method of a file', '--method peak.mjs --samples 1'],
    ["WebGPU's default limits", '--limits default'],
  ].map(([what, flags]) => [what!, flags!.split(' ')]);
  it.each(CALLS)('with %s', async (_, flags) => {
    const folder = mkdtempSync('with-');
    const { stdout } = await run(['explain', 'photos/photo.png', ...TINY, '--out', folder, ...flags, '--json']);
    // Of several results the last one.
    const { files, provenance } = JSON.parse(stdout.trimEnd().split('\n').at(-1)!);
    const { code, replay: found } = await replay(files.overlays.at(-1));
    expect({ code, ...found }).toMatchObject({ code: 0, verdict: 'equal bits', comparedWith: files.map });
    expect(found.replayed.device).toEqual(provenance.device);
  });
});

it('is not made again where a record asks for a class against itself', async () => {
  const call = ['explain', 'photos/photo.png', ...TINY, '--method', 'grad-cam', '--out', 'itself', '--json'];
  const record = JSON.parse((await run(call)).stdout);
  record.provenance.options.contrast = record.provenance.classIndex;
  writeJson(record.files.json, record);
  const { code, stderr } = await replay(record.files.json);
  expect(code).toBe(1);
  expect(stderr).toMatch(/photo\.grad-cam\.json: what was recorded by .* cannot be done .*: contrast: .*another class/);
});

it('is made again with the kernels of the record, whatever this device would choose', async () => {
  const { stdout } = await run(['explain', 'photos/photo.png', ...TINY, '--out', 'kernels', '--json']);
  const { provenance, files } = JSON.parse(stdout);
  const gpu = await requestNodeGpu();
  const model = await loadModel(gpu, 'vgg16', { weights: { random: 3 }, width: 1 / 32 });
  const kernels = Object.fromEntries(
    Object.entries<{ forward: string }>(provenance.kernels).map(([name, { forward }]) => [
      name,
      { forward: forward.startsWith('winograd') ? 'direct' : 'winograd-2' },
    ]),
  );
  const result = await explain(model, await readPicture(join('photos', 'photo.png')), { kernels });
  gpu.dispose();
  expect(result.provenance.map.checksum).not.toBe(provenance.map.checksum);
  // As a program may write it: the library's record and nothing else.
  const file = join('kernels', 'by-program.png');
  const record = JSON.stringify({ provenance: result.provenance });
  writeFileSync(file, addPngText(readFileSync(files.overlays[0]), PNG_KEYWORD, record));
  const { code, replay: found } = await replay(file, '--image', join('photos', 'photo.png'));
  expect({ code, ...found }).toMatchObject({ code: 0, verdict: 'equal bits', comparedWith: null });
  expect(found.replayed.kernels).toEqual(result.provenance.kernels);
});

it.for([
  ['weights in half precision', 'f16-storage'],
  ['products in float16', 'f16'],
] as const)('is made again with the precision of the record: %s', async ([, precision], { skip }) => {
  const { features } = await testAdapter();
  if (precision === 'f16' && !features.has('shader-f16')) return skip('the adapter has no shader-f16');
  const half = ['--precision', precision, '--out', precision];
  const call = ['explain', 'photos/photo.png', ...TINY, '--samples', '2', ...half, '--json'];
  const { provenance, files } = JSON.parse((await run(call)).stdout);
  expect(provenance.weights.precision).toBe(precision);
  expect(provenance.map.checksum).not.toBe(readJson(`${RESULT}.json`).provenance.map.checksum);
  const { code, replay: found } = await replay(files.json);
  expect({ code, ...found }).toMatchObject({ code: 0, verdict: 'equal bits' });
});

describe('what it is compared with', () => {
  it('is the checksum where there is no .npy', async () => {
    const stem = copyOfResult('without-map', ['.json']);
    expect(await replay(`${stem}.json`)).toMatchObject({
      code: 0,
      replay: { verdict: 'equal bits', greatestDifference: 0, comparedWith: null },
    });
    const record = readJson(`${stem}.json`);
    const map = { ...record.provenance.map, checksum: `sha256-${'0'.repeat(64)}` };
    writeJson(`${stem}.json`, { ...record, provenance: { ...record.provenance, map } });
    const { code, replay: found, stderr } = await replay(`${stem}.json`);
    expect({ code, ...found }).toMatchObject({ code: 1, verdict: 'different', greatestDifference: null });
    expect(stderr).toMatch(/: the map is another one\n$/);
    const { stdout } = await run(['replay', `${stem}.json`]);
    expect(stdout).toMatch(/different: its bits differ; by how much cannot be said without its \.npy/);
  });

  /** A record of a map that differs from the real one by a share of the greatest value. */
  async function recordOf(folder: string, share: number): Promise<string> {
    const stem = copyOfResult(folder);
    const { bytes, shape } = parseNpy(readFileSync(`${stem}.npy`), 'map');
    const values = new Float32Array(Uint8Array.from(bytes).buffer);
    const largest = Math.max(...values);
    const at = values.findIndex((value) => value < largest / 2);
    values[at] = values[at]! + share * largest;
    writeFileSync(`${stem}.npy`, encodeNpy(values, shape));
    const record = readJson(`${stem}.json`);
    const map = { ...record.provenance.map, checksum: await checksumOf(values) };
    writeJson(`${stem}.json`, { ...record, provenance: { ...record.provenance, map } });
    return `${stem}.json`;
  }

  it('may differ by a millionth of the greatest value', async () => {
    const { code, replay: found } = await replay(await recordOf('near', 8e-7));
    expect({ code, ...found }).toMatchObject({ code: 0, verdict: 'equal', tolerance: 1e-6 });
    expect(found.greatestDifference).toBeCloseTo(8e-7, 7);
  });

  it('may not differ by more', async () => {
    const file = await recordOf('far', 3e-6);
    const { code, replay: found, stderr } = await replay(file);
    expect({ code, ...found }).toMatchObject({ code: 1, verdict: 'different' });
    expect(found.greatestDifference).toBeCloseTo(3e-6, 7);
    expect(stderr).toMatch(/^gradcam: far.*: the map is another one\n$/);
    const { stdout } = await run(['replay', file]);
    expect(stdout).toMatch(/different: the greatest difference is (2\.9|3\.0)\de-6 of the greatest value, more than/);
  });

  it('is no other map', async () => {
    const stem = copyOfResult('other-map');
    writeFileSync(`${stem}.npy`, encodeNpy(new Float32Array(14 * 14), [14, 14]));
    const { code, replay: found, stderr } = await replay(`${stem}.json`);
    expect([code, found]).toEqual([1, undefined]);
    expect(stderr).toMatch(/\.npy: not the map that .*\.json tells of: its checksum is sha256-.*, recorded is sha256-/);
  });
});

describe('the picture', () => {
  it('is found from the record, wherever the program runs', async () => {
    process.chdir('photos');
    const { code } = await replay(join('..', `${RESULT}.json`));
    process.chdir(root);
    expect(code).toBe(0);
  });

  it('is found beside the record, or where the call says', async () => {
    const stem = copyOfResult('alone', ['.png']);
    const away = join('deeper', 'down');
    mkdirSync(away, { recursive: true });
    const file = join(away, 'overlay.png');
    renameSync(`${stem}.png`, file);
    const missing = await replay(file);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toMatch(
      /its picture is not there: no file .*photos.photo\.png, nor .*photo\.png\. Name .*--image/,
    );
    expect((await replay(file, '--image', join('photos', 'photo.png'))).code).toBe(0);
    copyFileSync(join('photos', 'photo.png'), join(away, 'photo.png'));
    expect((await replay(file)).code).toBe(0);
  });

  it('must be the same, to the pixel', async () => {
    const { code, replay: found, stderr } = await replay(`${RESULT}.json`, '--image', join('photos', 'other.png'));
    expect([code, found]).toEqual([1, undefined]);
    expect(stderr).toMatch(
      /other\.png: not the pixels that .* found 40 × 30 pixels, sha256-.*; recorded 40 × 30 pixels/,
    );
  });

  it('is asked for where the record does not tell it', async () => {
    const stem = copyOfResult('no-source');
    const { provenance } = readJson(`${stem}.json`);
    writeJson(`${stem}.json`, { provenance });
    const { code, stderr } = await replay(`${stem}.json`);
    expect(code).toBe(2);
    expect(stderr).toMatch(/--image: .*does not say where it was/);
    expect((await replay(`${stem}.json`, '--image', join('photos', 'photo.png'))).code).toBe(0);
  });

  it('is recorded by a path from the folder of the results, never by one from the root', async () => {
    const { stdout } = await run([
      'explain',
      join(root, 'photos', 'photo.png'),
      ...TINY,
      '--out',
      'absolute',
      '--json',
    ]);
    const { source, files } = JSON.parse(stdout);
    expect(source).toEqual({ file: '../photos/photo.png' });
    expect(pngText(readFileSync(files.overlays[0]), 'gradcam')).not.toContain(root);
    const { provenance } = readJson(`${RESULT}.json`);
    const recorded = (file: string, folder: string) => replayRecord(provenance, { file }, folder).source;
    expect(recorded('/photos/a.png', '/results/today')).toEqual({ file: 'a.png' });
    expect(recorded('/me/a.png', '/me/results/today')).toEqual({ file: '../../a.png' });
    expect(recorded('/me/results/a.png', '/me/results')).toEqual({ file: 'a.png' });
  });
});

describe('the weights', () => {
  it('must be the same', async () => {
    const { code, replay: found, stderr } = await replay(`${RESULT}.json`, '--weights', 'random:4');
    expect([code, found]).toEqual([1, undefined]);
    expect(stderr).toMatch(/random:4: not the weights that .*; expected random:3; found random:4/);
  });

  /** The result, with something else recorded of its weights. */
  function recordWith(folder: string, weights: Partial<Provenance['weights']>): string {
    const stem = copyOfResult(folder);
    const record = readJson(`${stem}.json`);
    const provenance = { ...record.provenance, weights: { ...record.provenance.weights, ...weights } };
    writeJson(`${stem}.json`, { ...record, provenance });
    return `${stem}.json`;
  }

  it('are never fetched from an address that only the record names', async () => {
    const file = recordWith('address', { origin: 'https://example.org/w.safetensors' });
    const { code, stderr } = await replay(file);
    expect(code).toBe(2);
    expect(stderr).toMatch(/--weights: .*was made with https:\/\/example\.org\/w\.safetensors/);
  });

  it('are looked for where the record says', async () => {
    const { code, stderr } = await replay(recordWith('path', { origin: '../weights/w.safetensors' }));
    expect(code).toBe(1);
    expect(stderr).toMatch(/its weights file is not there: no file .*weights.w\.safetensors, nor .*--weights/);
  });

  it('from a file are recorded by a path from the folder of the results', () => {
    const { provenance } = readJson(`${RESULT}.json`);
    const origin = (given: string) =>
      replayRecord({ ...provenance, weights: { ...provenance.weights, origin: given } }, { file: 'a.png' }, 'results')
        .provenance.weights.origin;
    expect(origin(join(root, 'weights', 'model.json'))).toBe('../weights/model.json');
    expect(['random:3', 'https://example.org/w'].map(origin)).toEqual(['random:3', 'https://example.org/w']);
  });
});

describe('what is no record', () => {
  it.each([
    ['is not there', 'none.json', () => {}, /none\.json: no such file/],
    ['is text', 'text.json', (file: string) => writeFileSync(file, 'text'), /expected a \.json or \.png that "gradcam/],
    ['is other JSON', 'list.json', (file: string) => writeJson(file, [{ provenance: 3 }]), /it lacks the provenance/],
    ['is another picture', 'plain.png', (file: string) => writePicture(file, 3), /no record of a result in it/],
    ['is called a picture', 'named.png', (file: string) => writeFileSync(file, 'text'), /named\.png: not a PNG file/],
    [
      'is a comparison',
      'a.compare.png',
      (file: string) => writePicture(file, 4),
      /png: maps by "gradcam compare", which/,
    ],
    [
      "is a comparison's numbers",
      'a.compare.json',
      (file: string) => writeJson(file, {}),
      /json: maps by "gradcam comp/,
    ],
    [
      'is a picture with another text',
      'other-text.png',
      (file: string) => writeFileSync(file, addPngText(readFileSync('photos/photo.png'), 'gradcam', '{"a": 1}')),
      /it lacks the provenance/,
    ],
  ])('%s: 1, and one message', async (_, file, make, message) => {
    await make(file);
    const { code, stderr, replay: found } = await replay(file);
    expect([code, found]).toEqual([1, undefined]);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^gradcam: .*\n$/);
  });

  it.each([
    ['a method of the future', { options: { method: 'grad-cam+++' } }, /method: got "grad-cam\+\+\+"/],
    ['an option of the future', { options: { temperature: 2 } }, /temperature: got 2/],
    ['another network', { model: 'vgg20' }, /model: got "vgg20"/],
    ['a kernel of the future', { kernels: { block1_conv1: { forward: 'fft' } } }, /kernels: got "fft"/],
    ['a precision of the future', { weights: { precision: 'f8' } }, /precision: got "f8"/],
    ['a network of no size', { variant: { width: -1 } }, /width: got -1/],
  ])('asks for %s: 1, and what it asked for', async (what, change, message) => {
    const stem = copyOfResult(what.replaceAll(' ', '-'));
    const { provenance, ...rest } = readJson(`${stem}.json`);
    const [[part, value]] = Object.entries(change) as [[keyof Provenance, object | string]];
    const changed = typeof value === 'string' ? value : { ...(provenance[part] as object), ...value };
    writeJson(`${stem}.json`, { ...rest, provenance: { ...provenance, [part]: changed } });
    const { code, stderr } = await replay(`${stem}.json`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/what was recorded by gradcam-webgpu \S+ cannot be done by version/);
    expect(stderr).toMatch(message);
  });
});

describe('relativeDifference', () => {
  it('is a share of the greatest value of both', () => {
    expect(relativeDifference(Float32Array.of(1, 4, 0), Float32Array.of(1, 3, 0))).toBe(1 / 4);
    expect(relativeDifference(Float32Array.of(0, 0), Float32Array.of(0, 2))).toBe(1);
    expect(relativeDifference(new Float32Array(3), new Float32Array(3))).toBe(0);
    expect(relativeDifference(new Float32Array(3), new Float32Array(4))).toBe(1);
  });
});
