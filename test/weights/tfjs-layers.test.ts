import { describe, expect, it } from 'vitest';
import { openWeights } from '../../src/weights/source.ts';
import { readAll, weightsErrorOf } from './helpers.ts';
import { concat, memoryStore, modelJson, utf8 } from './made-files.ts';

const kernel = { name: 'conv/kernel', shape: [2, 2], dtype: 'float32' };
const bias = { name: 'conv/bias', shape: [1], dtype: 'float32' };
const bytesOf = (array: Float32Array | Uint16Array) => new Uint8Array(array.buffer);

const open = (files: Record<string, Uint8Array>, options: { chunkBytes?: number; sized?: boolean } = {}) =>
  openWeights('vgg/model.json', { store: memoryStore(files, options) });

const errorOf = (files: Record<string, Uint8Array>) => weightsErrorOf(async () => readAll(await open(files)));

/** The error of a model with one weight, its manifest entry changed. */
const errorOfWeight = (change: Record<string, unknown>) =>
  errorOf({ 'vgg/model.json': modelJson({ paths: ['a.bin'], weights: [{ ...kernel, ...change }] }) });

describe('a TensorFlow.js layers-model', () => {
  it('gives float32 and quantised tensors of several groups', async () => {
    const weights = [
      { name: 'plain', shape: [2], dtype: 'float32' },
      { name: 'bytes', shape: [3], dtype: 'float32', quantization: { dtype: 'uint8', scale: 0.5, min: -1 } },
      { name: 'words', shape: [2], dtype: 'float32', quantization: { dtype: 'uint16', scale: 0.001, min: 3 } },
    ];
    const half = { name: 'half', shape: [1, 2], dtype: 'float32', quantization: { dtype: 'float16' } };
    const file = await open({
      'vgg/model.json': modelJson({ paths: ['a.bin'], weights }, { paths: ['sub/b.bin'], weights: [half] }),
      'vgg/a.bin': concat([
        bytesOf(Float32Array.of(1.5, -2)),
        Uint8Array.of(0, 2, 255),
        bytesOf(Uint16Array.of(1, 65535)),
      ]),
      'vgg/sub/b.bin': bytesOf(Uint16Array.of(0x3c00, 0x0001)),
    });
    expect(file.format).toBe('tfjs-layers');
    expect(file.origin).toBe('vgg/model.json');
    expect([...file.tensors.values()].map(({ name, encoding, shape }) => [name, encoding.dtype, shape])).toEqual([
      ['plain', 'float32', [2]],
      ['bytes', 'uint8', [3]],
      ['words', 'uint16', [2]],
      ['half', 'float16', [1, 2]],
    ]);
    expect([...(await readAll(file))]).toEqual([
      ['plain', Float32Array.of(1.5, -2)],
      ['bytes', Float32Array.of(-1, 0, 126.5)],
      ['words', Float32Array.of(3.001, 68.535)],
      ['half', Float32Array.of(1, 2 ** -24)],
    ]);
  });

  it('may cut its group into shards anywhere, within an element too', async () => {
    const values = Float32Array.of(1, 2, 3, 4, 5);
    for (const cuts of [
      [1, 2, 3],
      [0, 0, 20],
      [4, 9, 10],
      [16, 16, 17],
    ]) {
      const at = [0, ...cuts, 20];
      const shards = at.slice(1).map((end, i) => [`vgg/s${i}.bin`, bytesOf(values).slice(at[i], end)] as const);
      const file = await open({
        'vgg/model.json': modelJson({ paths: shards.map((_, i) => `s${i}.bin`), weights: [kernel, bias] }),
        ...Object.fromEntries(shards),
      });
      expect([...(await readAll(file))]).toEqual([
        ['conv/kernel', Float32Array.of(1, 2, 3, 4)],
        ['conv/bias', Float32Array.of(5)],
      ]);
    }
  });

  it('may hold integers, which are read over, and groups of nothing', async () => {
    const steps = { name: 'steps', shape: [], dtype: 'int32' };
    const file = await open({
      'vgg/model.json': modelJson({ paths: [], weights: [] }, { paths: ['a.bin'], weights: [steps, bias] }),
      'vgg/a.bin': bytesOf(Float32Array.of(9, 5)),
    });
    expect([...file.integerTensors]).toEqual([['steps', 'int32']]);
    expect([...(await readAll(file))]).toEqual([['conv/bias', Float32Array.of(5)]]);
  });

  it('opens each shard once, after the one before', async () => {
    const store = memoryStore({
      'vgg/model.json': modelJson(
        { paths: ['a.bin', 'b.bin'], weights: [kernel] },
        { paths: ['c.bin'], weights: [bias] },
      ),
      'vgg/a.bin': new Uint8Array(8),
      'vgg/b.bin': new Uint8Array(8),
      'vgg/c.bin': new Uint8Array(4),
    });
    await readAll(await openWeights('vgg/model.json', { store }));
    expect(store.opened).toEqual(['vgg/model.json', 'vgg/a.bin', 'vgg/b.bin', 'vgg/c.bin']);
  });

  it('opens the next shard ahead only when little of the one before is left', async () => {
    const bytes = 24 << 20;
    const store = memoryStore(
      {
        'vgg/model.json': modelJson({ paths: ['a.bin', 'b.bin'], weights: [{ ...kernel, shape: [bytes / 2] }] }),
        'vgg/a.bin': new Uint8Array(bytes),
        'vgg/b.bin': new Uint8Array(bytes),
      },
      { chunkBytes: 1 << 20 },
    );
    const file = await openWeights('vgg/model.json', { store });
    let loadedWhenOpened: number | undefined;
    const onProgress = ({ loadedBytes }: { loadedBytes: number }) => {
      if (store.opened.includes('vgg/b.bin')) loadedWhenOpened ??= loadedBytes;
    };
    for await (const _ of file.stream({ onProgress }));
    expect(loadedWhenOpened).toBe(16 << 20);
  });
});

describe('a broken TensorFlow.js layers-model', () => {
  it('without a shard names it and the tensor that it was to hold', async () => {
    const json = modelJson({ paths: ['a.bin'], weights: [bias] }, { paths: ['b.bin', 'c.bin'], weights: [kernel] });
    const shards = { 'vgg/a.bin': new Uint8Array(4), 'vgg/b.bin': new Uint8Array(8), 'vgg/c.bin': new Uint8Array(8) };
    for (const [missing, tensor] of [
      ['vgg/a.bin', 'conv/bias'],
      ['vgg/b.bin', 'conv/kernel'],
      ['vgg/c.bin', 'conv/kernel'],
    ] as const) {
      const files: Record<string, Uint8Array> = { 'vgg/model.json': json, ...shards };
      delete files[missing];
      const error = await errorOf(files);
      expect(error).toMatchObject({ file: missing, tensor, message: expect.stringMatching(/no such file/) });
    }
  });

  it('with a truncated shard names it: the one shorter than the others, else the last', async () => {
    const json = modelJson({ paths: ['a.bin', 'b.bin', 'c.bin'], weights: [kernel, bias] });
    const lengths = { 'vgg/a.bin': 8, 'vgg/b.bin': 8, 'vgg/c.bin': 4 };
    for (const short of ['vgg/a.bin', 'vgg/b.bin', 'vgg/c.bin'] as const) {
      const cut = { ...lengths, [short]: lengths[short] - 2 };
      const shards = Object.entries(cut).map(([name, length]) => [name, new Uint8Array(length)]);
      const error = await errorOf({ 'vgg/model.json': json, ...Object.fromEntries(shards) });
      expect(error.message).toMatch(/truncated/);
      expect(error).toMatchObject({
        file: short,
        tensor: 'conv/bias',
        expected: '20 bytes in 3 shards together',
        found: '18 bytes',
      });
    }
  });

  it('with a shard that is too long names it, also before another group', async () => {
    const error = await errorOf({
      'vgg/model.json': modelJson({ paths: ['a.bin'], weights: [bias] }, { paths: ['b.bin'], weights: [kernel] }),
      'vgg/a.bin': new Uint8Array(8),
      'vgg/b.bin': new Uint8Array(16),
    });
    expect(error).toMatchObject({ file: 'vgg/a.bin', message: expect.stringMatching(/goes on after the last tensor/) });
  });

  it('with a web page for a shard says so', async () => {
    const error = await errorOf({
      'vgg/model.json': modelJson({ paths: ['a.bin'], weights: [kernel] }),
      'vgg/a.bin': utf8('\n<html><head><title>404</title></head></html>'),
    });
    expect(error).toMatchObject({
      file: 'vgg/a.bin',
      tensor: 'conv/kernel',
      message: expect.stringMatching(/web page/),
    });
  });

  it.each([
    ['an unknown dtype', { dtype: 'float31' }, /dtype cannot be read.*float32.*"float31"/],
    ['no dtype', { dtype: undefined }, /dtype cannot be read/],
    ['complex numbers', { dtype: 'complex64' }, /dtype cannot be read/],
    ['an unknown quantised dtype', { dtype: 'what', quantization: { dtype: 'uint8', scale: 1, min: 0 } }, /dtype/],
    ['an unknown quantisation', { quantization: { dtype: 'uint4', scale: 1, min: 0 } }, /quantization dtype.*"uint4"/],
    ['quantisation without scale', { quantization: { dtype: 'uint8', min: 0 } }, /no scale and min/],
    ['quantisation without min', { quantization: { dtype: 'uint16', scale: 1 } }, /no scale and min/],
    ['a scale in words', { quantization: { dtype: 'uint8', scale: '1', min: 0 } }, /no scale and min.*finite/],
    ['quantisation that is no object', { quantization: 'uint8' }, /quantization is not an object/],
    ['no shape', { shape: undefined }, /shape is not a list/],
    ['a negative size', { shape: [2, -1] }, /shape is not a list/],
    ['an impossible size', { shape: [2 ** 30, 2 ** 30] }, /impossibly large/],
  ])('with %s names the tensor', async (_, change, message) => {
    const error = await errorOfWeight(change);
    expect(error).toMatchObject({ file: 'vgg/model.json', tensor: 'conv/kernel' });
    expect(error.message).toMatch(message);
  });

  it('with a tensor twice names it, also in two groups', async () => {
    const group = { paths: ['a.bin'], weights: [kernel] };
    const error = await errorOf({ 'vgg/model.json': modelJson(group, group) });
    expect(error).toMatchObject({ tensor: 'conv/kernel', message: expect.stringMatching(/twice/) });
  });

  it('with weights in no shard names the first', async () => {
    const error = await errorOf({ 'vgg/model.json': modelJson({ paths: [], weights: [kernel] }) });
    expect(error).toMatchObject({ tensor: 'conv/kernel', message: expect.stringMatching(/names no shard/) });
  });

  it.each([
    'https://elsewhere.example/a.bin',
    '//elsewhere.example/a.bin',
    'file:///etc/passwd',
    '/etc/passwd',
    'C:\\weights\\a.bin',
    '',
    7,
  ])('with the shard path %j is refused', async (path) => {
    const error = await errorOf({ 'vgg/model.json': modelJson({ paths: [path], weights: [kernel] }) });
    expect(error.message).toMatch(/not relative to model.json/);
  });

  it.each([
    ['{"weightsManifest": [', /not JSON; expected the model.json of a TensorFlow.js layers-model/],
    ['', /not JSON/],
    ['{"modelTopology": {}}', /no weightsManifest/],
    ['[]', /no weightsManifest/],
    ['{"weightsManifest": {}}', /no weightsManifest/],
    ['{"weightsManifest": [{"paths": ["a.bin"]}]}', /weightsManifest\[0\] lacks/],
    ['{"weightsManifest": [null]}', /weightsManifest\[0\] lacks/],
    ['{"weightsManifest": [{"paths": ["a"], "weights": [{"shape": [1]}]}]}', /weight of the manifest has no name/],
    ['{"weightsManifest": [], "format": "graph-model"}', /expected format "layers-model"; found "graph-model"/],
    ['<!doctype html><html></html>', /web page/],
  ])('that reads %j is refused', async (text, message) => {
    const error = await errorOf({ 'vgg/model.json': utf8(text) });
    expect(error.message).toMatch(message);
    expect(error.file).toBe('vgg/model.json');
  });
});
