import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { AbortError, OptionError, WeightsError } from '../../src/errors.ts';
import { type ConvertOptions, convertWeights } from '../../src/node/convert-weights.ts';
import { nodeStore } from '../../src/node/files.ts';
import { openWeights, type WeightsFile, type WeightsPiece } from '../../src/weights/source.ts';
import { readAll } from '../weights/helpers.ts';
import { encodeSafetensors, memoryStore, modelJson, type PlainTensor } from '../weights/made-files.ts';

/** Fills the disk when so many files have been written. */
const disk = vi.hoisted(() => ({ filesLeft: Number.POSITIVE_INFINITY }));
vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof import('node:fs/promises')>();
  const writeFile = async (...[path, content]: [path: string, content: string | Uint8Array]) => {
    if (--disk.filesLeft < 0) {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
    }
    await fs.writeFile(path, content);
  };
  return { ...fs, writeFile };
});

const INDEX = 'model.safetensors.index.json';
const SHARD_BYTES = 2 ** 16;

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gradcam-convert-'));
});
afterAll(() => rm(root, { recursive: true }));
afterEach(() => {
  disk.filesLeft = Number.POSITIVE_INFINITY;
});
let folders = 0;
const newFolder = () => join(root, 'deep', `${folders++}`);

/** Values without a pattern, of both signs, and not as many of either. */
function values(count: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32 - 0.37) * 1.5;
  });
}
function tensor(name: string, shape: number[], seed: number): PlainTensor & { values: Float32Array } {
  const own = values(
    shape.reduce((product, n) => product * n, 1),
    seed,
  );
  return { name, shape, dtype: 'F32', bytes: new Uint8Array(own.buffer), values: own };
}
const LARGE = tensor('large', [211, 200], 1);
const SMALL = tensor('small', [7, 11], 2);
const BIAS = tensor('bias', [13], 3);
const TENSORS = [SMALL, BIAS, LARGE, tensor('last', [3, 5, 2, 2], 4)];

const openMade = (tensors: readonly PlainTensor[]) =>
  openWeights('m.safetensors', { store: memoryStore({ 'm.safetensors': encodeSafetensors(tensors) }) });

async function convertMade(options: ConvertOptions, tensors: readonly PlainTensor[] = TENSORS) {
  const folder = newFolder();
  const converted = await convertWeights(await openMade(tensors), folder, { shardBytes: SHARD_BYTES, ...options });
  const index = JSON.parse(await readFile(converted.index, 'utf8'));
  const opened = await openWeights(folder, { store: nodeStore() });
  return { folder, converted, index, opened, read: await readAll(opened) };
}

describe('converted weights', () => {
  it('are those of the source, to the bit, in float32', async () => {
    const { opened, read } = await convertMade({ precision: 'f32' });
    for (const { name, shape, values } of TENSORS) {
      expect(opened.tensors.get(name)).toMatchObject({ shape, encoding: { dtype: 'float32' } });
      expect(read.get(name)).toEqual(values);
    }
    expect(read.size).toBe(TENSORS.length);
  });

  it('are rounded to float16, but for vectors', async () => {
    const { opened, read } = await convertMade({ precision: 'f16' });
    for (const { name, shape, values } of TENSORS) {
      expect(opened.tensors.get(name)!.encoding.dtype).toBe(shape.length > 1 ? 'float16' : 'float32');
      // Half a unit in the last of 11 bits, relative, from float16's least normal number on.
      const limit = shape.length > 1 ? 2 ** -11 : 0;
      const worst = Math.max(
        ...values.map((value, i) => Math.abs(read.get(name)![i]! - value) / Math.max(Math.abs(value), 2 ** -14)),
      );
      expect(worst).toBeLessThanOrEqual(limit);
    }
  });

  it('are quantised to within half a step, with zero among the values', async () => {
    const { opened, read, index } = await convertMade({ precision: 'u8' });
    for (const { name, shape, values } of TENSORS) {
      if (shape.length === 1) {
        expect(read.get(name)).toEqual(values);
        continue;
      }
      const { scale, min } = index.metadata.gradcam.tensors[name];
      expect(opened.tensors.get(name)!.encoding).toEqual({ dtype: 'uint8', scale, min });
      const [least, greatest] = [Math.min(...values), Math.max(...values)];
      expect(scale).toBeCloseTo((greatest - least) / 255, 6);
      expect(min / scale).toBeCloseTo(Math.round(min / scale), 4);
      const found = read.get(name)!;
      // Zero is moved onto a step, which leaves up to half a step at an end beyond the last.
      const isWithin = (value: number) => value >= min && value <= min + 255 * scale;
      const error = (value: number, i: number) => Math.abs(found[i]! - value) - (isWithin(value) ? 0 : scale / 2);
      expect(Math.max(...values.map(error))).toBeLessThanOrEqual((scale / 2) * 1.0001);
    }
  });

  it('of 8 bits stay as they are in 8 bits', async () => {
    const quantization = { dtype: 'uint8', scale: 0.25, min: -3 };
    const bytes = Uint8Array.from({ length: 12 }, (_, i) => i * 23);
    const files = {
      'model.json': modelJson({
        paths: ['a.bin'],
        weights: [{ name: 'w', dtype: 'float32', shape: [3, 4], quantization }],
      }),
      'a.bin': bytes,
    };
    const folder = newFolder();
    await convertWeights(await openWeights('model.json', { store: memoryStore(files) }), folder, { precision: 'u8' });
    const opened = await openWeights(folder, { store: nodeStore() });
    expect(opened.tensors.get('w')!.encoding).toEqual({ dtype: 'uint8', scale: 0.25, min: -3 });
    expect((await readAll(opened)).get('w')).toEqual(Float32Array.from(bytes, (q) => q * 0.25 - 3));
  });

  it('of one value are that value', async () => {
    const constant = {
      ...tensor('w', [2, 3], 1),
      bytes: new Uint8Array(Float32Array.from({ length: 6 }, () => 0.3).buffer),
    };
    const none = tensor('none', [0, 4], 1);
    const { read, opened } = await convertMade({ precision: 'u8' }, [constant, none]);
    expect(read.get('w')).toEqual(new Float32Array(6).fill(0.3));
    expect(opened.tensors.get('none')!.shape).toEqual([0, 4]);
  });
});

describe('the files of a conversion', () => {
  it('are as large as asked at most, aligned, and told of in the index', async () => {
    const { folder, converted, index } = await convertMade({ precision: 'f32' });
    const names = converted.files.map(({ name }) => name);
    expect((await readdir(folder)).sort()).toEqual([...names, INDEX].sort());
    expect(names.length).toBe(Math.ceil(LARGE.bytes.length / SHARD_BYTES));
    let total = 0;
    for (const { name, size } of converted.files) {
      const bytes = await readFile(join(folder, name));
      expect(bytes.length).toBe(size);
      expect(size).toBeLessThanOrEqual(SHARD_BYTES);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      expect(index.metadata.gradcam.files[name]).toEqual({ size, sha256 });
      const headerBytes = Number(bytes.readBigUInt64LE(0));
      expect(headerBytes % 8).toBe(0);
      const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerBytes));
      for (const [tensor, { dtype, data_offsets }] of Object.entries<{ dtype: string; data_offsets: number[] }>(
        header,
      )) {
        expect(index.weight_map[tensor]).toBe(name);
        expect(data_offsets[0]! % (dtype === 'F32' ? 4 : 2)).toBe(0);
        total += data_offsets[1]! - data_offsets[0]!;
      }
    }
    expect(index.metadata.total_size).toBe(total);
    expect(total).toBe(TENSORS.reduce((sum, { bytes }) => sum + bytes.length, 0));
    // Only what no file can hold is cut.
    expect(Object.keys(index.weight_map).filter((name) => name.includes('part'))).toEqual(
      index.metadata.gradcam.tensors.large.parts.map(({ name }: { name: string }) => name),
    );
    expect(index.metadata.gradcam.tensors.small.parts).toBeUndefined();
  });

  it('hold the parts of a tensor in its order, as any program can join them', async () => {
    const { folder, index } = await convertMade({ precision: 'f16' });
    const joined: number[] = [];
    for (const { name, elements } of index.metadata.gradcam.tensors.large.parts) {
      const bytes = await readFile(join(folder, index.weight_map[name]));
      const start = 8 + Number(bytes.readBigUInt64LE(0));
      const { dtype, shape, data_offsets } = JSON.parse(bytes.toString('utf8', 8, start))[name];
      expect({ dtype, shape }).toEqual({ dtype: 'F16', shape: [elements] });
      for (let at = start + data_offsets[0]; at < start + data_offsets[1]; at += 2) joined.push(bytes.readUInt16LE(at));
    }
    const opened = await openWeights(folder, { store: nodeStore() });
    const stored: number[] = [];
    for await (const piece of opened.stream({ wanted: (name) => name === 'large' })) {
      stored.push(...new Uint16Array(piece.stored.buffer));
    }
    expect(joined).toEqual(stored);
    expect(joined.length).toBe(211 * 200);
  });
});

describe('a conversion that cannot be', () => {
  const nothingLeft = async (folder: string) => {
    const parent = join(folder, '..');
    expect((await readdir(parent)).filter((name) => name.startsWith('.'))).toEqual([]);
    return readdir(folder).catch(() => undefined);
  };

  it('of a broken source leaves nothing', async () => {
    const bytes = encodeSafetensors(TENSORS).slice(0, -4);
    const store = memoryStore({ 'm.safetensors': bytes }, { sized: false });
    const folder = newFolder();
    const work = convertWeights(await openWeights('m.safetensors', { store }), folder, { shardBytes: SHARD_BYTES });
    await expect(work).rejects.toThrow(/truncated; tensor last/);
    expect(await nothingLeft(folder)).toBeUndefined();
  });

  it('of values that the format cannot hold says which', async () => {
    for (const [value, precision, message] of [
      [70000, 'f16', /float16 cannot hold the tensor.*'f32'; tensor w; .*found 0 to 70000/],
      [Number.NaN, 'f32', /not a finite number; tensor w; .*found NaN at element 1/],
      [Infinity, 'u8', /not a finite number; tensor w/],
    ] as const) {
      const w = { ...tensor('w', [1, 2], 1), bytes: new Uint8Array(Float32Array.of(0, value).buffer) };
      const folder = newFolder();
      const error = await convertWeights(await openMade([w]), folder, { precision }).catch((error) => error);
      expect(error).toBeInstanceOf(WeightsError);
      expect(error.message).toMatch(message);
      expect(await nothingLeft(folder)).toBeUndefined();
    }
  });

  it('of a tensor whose name fills a file says so', async () => {
    const name = 'n'.repeat(SHARD_BYTES);
    for (const shape of [[2], [0], [LARGE.values.length]]) {
      const error = await convertMade({}, [SMALL, tensor(name, shape, 1)]).catch((error) => error);
      expect(error).toBeInstanceOf(WeightsError);
      expect(error.message).toMatch(
        /^m\.safetensors: the name .* leaves no room .*; tensor "n+….* found 65536 characters/,
      );
    }
    const nearly = tensor('n'.repeat(SHARD_BYTES - 400), [200], 1);
    expect((await convertMade({ precision: 'f32' }, [nearly])).read.get(nearly.name)).toEqual(nearly.values);
  });

  it('that is stopped leaves nothing', async () => {
    const folder = newFolder();
    const controller = new AbortController();
    const onProgress = () => controller.abort();
    const options = { onProgress, signal: controller.signal };
    await expect(convertWeights(await openMade(TENSORS), folder, options)).rejects.toThrow(AbortError);
    expect(await nothingLeft(folder)).toBeUndefined();
  });

  it('says on a full disk what did not fit, and leaves nothing', async () => {
    const options = { precision: 'f32', shardBytes: SHARD_BYTES } as const;
    const { files } = (await convertMade(options)).converted;
    const folder = newFolder();
    disk.filesLeft = 1;
    const full = convertWeights(await openMade(TENSORS), folder, options);
    await expect(full).rejects.toMatchObject({ code: 'disk-full', cause: { code: 'ENOSPC' } });
    await expect(full).rejects.toThrow(/: the disk is full \(ENOSPC at model-0000\d-of-0000\d\.safetensors\)/);
    await expect(full).rejects.toThrow(` take ${files.reduce((sum, { size }) => sum + size, 0)} bytes, and an index`);
    expect(await nothingLeft(folder)).toBeUndefined();
  });

  it('removes what one at the same folder has left that was killed', async () => {
    const folder = newFolder();
    const beside = dirname(folder);
    const ours = async () => (await readdir(beside)).filter((name) => name.startsWith(`.${basename(folder)}.`));
    let own: string | undefined;
    const watch = async function* (file: WeightsFile): AsyncGenerator<WeightsPiece> {
      [own] = await ours();
      yield* file.stream();
    };
    const source = await openMade([SMALL]);
    const watched = { ...source, tensors: source.tensors, checksum: () => undefined, stream: () => watch(source) };
    await convertWeights(watched as unknown as WeightsFile, folder);
    const { pid: dead } = spawnSync(process.execPath, ['--version']);
    const of = (pid: number) => own!.replace(`.${process.pid}.`, `.${pid}.`);
    const [alive, elsewhere] = [own!, of(dead).replace(hostname(), 'elsewhere')];
    const left = [of(dead), `${of(dead)}.replaced`, alive, elsewhere];
    for (const name of left) {
      await mkdir(join(beside, name));
      await writeFile(join(beside, name, INDEX), '{}');
    }
    await convertWeights(await openMade([SMALL]), folder, { force: true });
    expect((await ours()).sort()).toEqual([alive, elsewhere].sort());
    for (const name of [alive, elsewhere]) await rm(join(beside, name), { recursive: true });
  });

  it('spares what is in the folder, unless it is told to replace converted weights', async () => {
    const { folder, index } = await convertMade({ precision: 'f16' });
    const again = async (options: ConvertOptions) => convertWeights(await openMade([SMALL]), folder, options);
    await expect(again({})).rejects.toThrow(OptionError);
    await expect(again({})).rejects.toThrow(
      /^to: got .*; allowed: a new folder; to replace the weights in it, say force: true/,
    );
    expect(JSON.parse(await readFile(join(folder, INDEX), 'utf8'))).toEqual(index);
    await again({ force: true });
    expect((await readdir(folder)).sort()).toEqual(['model-00001-of-00001.safetensors', INDEX]);
    expect(await nothingLeft(folder)).toHaveLength(2);
    await writeFile(join(folder, 'notes.txt'), 'mine');
    await expect(again({ force: true })).rejects.toThrow(/of converted weights only; it holds notes.txt/);
    expect(await readFile(join(folder, 'notes.txt'), 'utf8')).toBe('mine');
  });

  it('takes an empty folder, and no file for one', async () => {
    const folder = newFolder();
    await mkdir(folder);
    await convertWeights(await openMade([SMALL]), folder);
    await writeFile(`${folder}.txt`, '');
    await expect(convertWeights(await openMade([SMALL]), `${folder}.txt`)).rejects.toThrow(/is a file/);
  });

  it('says what is wrong with the call', async () => {
    for (const [options, message] of [
      [{ precision: 'u4' as 'u8' }, /^precision: got "u4"; allowed: f32, f16, u8/],
      [{ shardBytes: 1000 }, /^shardBytes: got 1000; allowed: a whole number from 65536/],
    ] as const) {
      await expect(convertWeights(await openMade([SMALL]), newFolder(), options)).rejects.toThrow(message);
    }
  });
});

describe('the built-in model, converted', () => {
  it('tells by itself what it is', async () => {
    const folder = newFolder();
    const source = await openWeights('models/vgg16-scenes.safetensors', { store: nodeStore() });
    const { model } = await convertWeights(source, folder, { precision: 'u8' });
    expect(model).toMatchObject({ known: { name: 'vgg16-scenes' }, convention: 'torch' });
    const opened = await openWeights(folder, { store: nodeStore() });
    expect(opened.model).toMatchObject({
      name: 'vgg16-scenes',
      classes: 12,
      inputSize: 224,
      convention: 'torch',
      preprocessing: { channelOrder: 'rgb' },
    });
    expect(opened.model!.labels).toContain('heart');
    const labels = ['just one'];
    const again = convertWeights(source, newFolder(), { labels });
    await expect(again).rejects.toThrow(/^labels: got "1 labels"; allowed: one label for each of the 12 classes/);
  });
});
