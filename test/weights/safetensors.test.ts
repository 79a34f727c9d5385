import { describe, expect, it } from 'vitest';
import { openWeights } from '../../src/weights/source.ts';
import { readAll, weightsErrorOf } from './helpers.ts';
import {
  concat,
  encodeSafetensors,
  float32,
  memoryStore,
  type PlainTensor,
  safetensorsOf,
  utf8,
} from './made-files.ts';

const weight = float32('features.0.weight', [2, 3], [1, 2, 3, 4, 5, 6]);
const bias = float32('features.0.bias', [2], [-1, 0.5]);

const open = (bytes: Uint8Array, options: { chunkBytes?: number; sized?: boolean } = {}) =>
  openWeights('vgg.safetensors', { store: memoryStore({ 'vgg.safetensors': bytes }, options) });

/** The error of opening and reading a file. */
const errorOf = (bytes: Uint8Array, options: { chunkBytes?: number; sized?: boolean } = {}) =>
  weightsErrorOf(async () => readAll(await open(bytes, options)));

/** A header with one float32 tensor [2], its entry changed. */
const withEntry = (change: Record<string, unknown>) =>
  safetensorsOf(
    JSON.stringify({ w: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...change } }),
    new Uint8Array(8),
  );

describe('a safetensors file', () => {
  it('gives the tensors of all three number formats', async () => {
    const half: PlainTensor = { name: 'half', dtype: 'F16', shape: [2], bytes: Uint8Array.of(0, 0x3c, 0, 0xc0) };
    const brain: PlainTensor = { name: 'brain', dtype: 'BF16', shape: [], bytes: Uint8Array.of(0x49, 0x40) };
    const file = await open(encodeSafetensors([half, weight, brain, bias]));
    expect(file.format).toBe('safetensors');
    expect([...file.tensors.values()]).toEqual([
      { name: 'half', shape: [2], encoding: { dtype: 'float16' }, file: 'vgg.safetensors' },
      { name: 'features.0.weight', shape: [2, 3], encoding: { dtype: 'float32' }, file: 'vgg.safetensors' },
      { name: 'brain', shape: [], encoding: { dtype: 'bfloat16' }, file: 'vgg.safetensors' },
      { name: 'features.0.bias', shape: [2], encoding: { dtype: 'float32' }, file: 'vgg.safetensors' },
    ]);
    const values = await readAll(file);
    expect(Object.fromEntries(Array.from(values, ([name, array]) => [name, [...array]]))).toEqual({
      half: [1, -2],
      'features.0.weight': [1, 2, 3, 4, 5, 6],
      brain: [3.140625],
      'features.0.bias': [-1, 0.5],
    });
  });

  it('is read in the order of its bytes, whatever the order of its header', async () => {
    const header = {
      late: { dtype: 'F32', shape: [1], data_offsets: [4, 8] },
      early: { dtype: 'F32', shape: [1], data_offsets: [0, 4] },
      empty: { dtype: 'F32', shape: [0, 3], data_offsets: [4, 4] },
    };
    const file = await open(safetensorsOf(JSON.stringify(header), new Uint8Array(Float32Array.of(1, 2).buffer)));
    expect([...file.tensors.keys()]).toEqual(['early', 'empty', 'late']);
    expect([...(await readAll(file))]).toEqual([
      ['early', Float32Array.of(1)],
      ['late', Float32Array.of(2)],
    ]);
  });

  it('may be cut into chunks and pieces anywhere', async () => {
    for (const chunkBytes of [1, 3, 11, 1000]) {
      for (const sized of [true, false]) {
        const file = await open(encodeSafetensors([weight, bias]), { chunkBytes, sized });
        const values = await readAll(file, { pieceElements: 4 });
        expect([...values.values()].map((array) => [...array])).toEqual([
          [1, 2, 3, 4, 5, 6],
          [-1, 0.5],
        ]);
      }
    }
  });

  it('may hold integers, which are read over', async () => {
    const counter = { name: 'bn.num_batches_tracked', dtype: 'I64', shape: [], bytes: new Uint8Array(8).fill(7) };
    const file = await open(encodeSafetensors([weight, counter, bias]));
    expect([...file.integerTensors]).toEqual([['bn.num_batches_tracked', 'I64']]);
    expect([...file.tensors.keys()]).toEqual(['features.0.weight', 'features.0.bias']);
    expect([...(await readAll(file)).values()].at(-1)).toEqual(Float32Array.of(-1, 0.5));
  });

  it('may hold names that JavaScript objects have already', async () => {
    const file = await open(encodeSafetensors([float32('toString', [1], [3])]));
    expect((await readAll(file)).get('toString')).toEqual(Float32Array.of(3));
    const proto = safetensorsOf('{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', new Uint8Array(4));
    expect([...(await open(proto)).tensors.keys()]).toEqual(['__proto__']);
  });
});

describe('a broken safetensors file', () => {
  it.each([true, false])('that is cut short is named with the tensor (size known: %s)', async (sized) => {
    const whole = encodeSafetensors([weight, bias]);
    for (const [cut, tensor] of [
      [1, 'features.0.bias'],
      [8, 'features.0.bias'],
      [9, 'features.0.weight'],
      [32, 'features.0.weight'],
    ] as const) {
      const error = await errorOf(whole.slice(0, -cut), { sized });
      expect(error.message).toMatch(/truncated/);
      expect(error).toMatchObject({
        file: 'vgg.safetensors',
        tensor,
        expected: `${whole.length} bytes`,
        found: `${whole.length - cut} bytes`,
      });
    }
  });

  it.each([true, false])('may be cut within its header (size known: %s)', async (sized) => {
    const whole = encodeSafetensors([weight]);
    expect((await errorOf(new Uint8Array(0), { sized })).message).toMatch(/ends within the header's length.*found 0/);
    expect((await errorOf(whole.slice(0, 7), { sized })).message).toMatch(/ends within the header's length/);
    expect((await errorOf(whole.slice(0, 40), { sized })).message).toMatch(/ends within the header;/);
  });

  it.each([true, false])('with bytes after the last tensor is refused (size known: %s)', async (sized) => {
    const error = await errorOf(concat([encodeSafetensors([weight]), Uint8Array.of(0)]), { sized });
    expect(error.message).toMatch(/goes on after the last tensor/);
  });

  it.each([2n ** 60n, 2n ** 64n - 1n, 100_000_001n])(
    'with a header of %i bytes is refused before anything is allocated',
    async (length) => {
      const bytes = new Uint8Array(1000);
      new DataView(bytes.buffer).setBigUint64(0, length, true);
      for (const sized of [true, false]) {
        const error = await errorOf(bytes, { sized });
        expect(error.message).toMatch(/header is too long/);
        expect(error).toMatchObject({ file: 'vgg.safetensors', found: `${length} bytes` });
      }
    },
  );

  it('with a header as long as the limit takes no more memory than there are bytes', async () => {
    const bytes = new Uint8Array(1000).fill(0x20);
    new DataView(bytes.buffer).setBigUint64(0, 100_000_000n, true);
    const error = await errorOf(bytes, { sized: false });
    expect(error).toMatchObject({ expected: '100000000 bytes', found: '992 bytes' });
  });

  it('with a header that is no JSON object is refused', async () => {
    expect((await errorOf(safetensorsOf('{"w": '))).message).toMatch(/header is not JSON/);
    expect((await errorOf(safetensorsOf(Uint8Array.of(0x7b, 0xff, 0x7d)))).message).toMatch(/header is not JSON/);
    expect((await errorOf(safetensorsOf('[1]'))).message).toMatch(/not a JSON object; found \[1\]/);
    expect((await errorOf(safetensorsOf('['.repeat(200_000)))).message).toMatch(/header is not JSON/);
  });

  it('that is something else is said to be that', async () => {
    expect((await errorOf(utf8('<!DOCTYPE html><html><body>Sign in</body></html>'))).message).toMatch(/web page/);
    const pointer = utf8('version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 553433864\n');
    expect((await errorOf(pointer)).message).toMatch(/Git LFS pointer.*git lfs pull/);
  });

  it.each([
    ['an unknown dtype', { dtype: 'F31' }, /dtype cannot be read.*"F31"/],
    ['float64', { dtype: 'F64' }, /dtype cannot be read.*F32, F16 or BF16.*"F64"/],
    ['a dtype that objects have', { dtype: 'constructor' }, /dtype cannot be read/],
    ['no dtype', { dtype: undefined }, /dtype cannot be read.*undefined/],
    ['no shape', { shape: undefined }, /shape is not a list/],
    ['a negative size', { shape: [-2] }, /shape is not a list.*\[-2\]/],
    ['a fractional size', { shape: [0.5, 4] }, /shape is not a list/],
    ['an impossible size', { shape: [2 ** 40, 2 ** 40] }, /impossibly large/],
    ['a shape that is too small', { shape: [1] }, /does not fit.*expected 4 bytes.*found 8 bytes/],
    ['no offsets', { data_offsets: undefined }, /not a byte range/],
    ['three offsets', { data_offsets: [0, 8, 16] }, /not a byte range/],
    ['reversed offsets', { data_offsets: [8, 0] }, /not a byte range.*\[8,0\]/],
    ['negative offsets', { data_offsets: [-8, 0] }, /not a byte range/],
    ['huge offsets', { data_offsets: [2 ** 60, 2 ** 60 + 8] }, /not a byte range/],
    ['offsets beyond the file', { data_offsets: [8, 16] }, /unused bytes before/],
    ['a size beyond the file', { shape: [2 ** 45], data_offsets: [0, 2 ** 47] }, /truncated.*found \d\d bytes/],
  ])('with %s names the tensor', async (_, change, message) => {
    const error = await errorOf(withEntry(change));
    expect(error.message).toMatch(message);
    expect(error).toMatchObject({ file: 'vgg.safetensors', tensor: 'w' });
  });

  it('does not allocate by a shape whose bytes do not come', async () => {
    const bytes = withEntry({ shape: [2 ** 45], data_offsets: [0, 2 ** 47] });
    const error = await errorOf(bytes, { sized: false });
    expect(error).toMatchObject({ tensor: 'w', found: `${bytes.length} bytes` });
  });

  it('with an entry that is no object names the tensor', async () => {
    for (const entry of ['null', '[]', '5', '"F32"']) {
      expect(await errorOf(safetensorsOf(`{"w": ${entry}}`))).toMatchObject({ tensor: 'w' });
    }
  });

  it('with overlapping tensors or gaps between them is refused', async () => {
    const two = (begin: number) =>
      safetensorsOf(
        JSON.stringify({
          a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
          b: { dtype: 'F32', shape: [2], data_offsets: [begin, begin + 8] },
        }),
        new Uint8Array(begin + 8),
      );
    expect(await errorOf(two(4))).toMatchObject({ tensor: 'b', message: expect.stringMatching(/overlap/) });
    expect(await errorOf(two(0))).toMatchObject({ tensor: 'b', message: expect.stringMatching(/overlap/) });
    expect(await errorOf(two(12))).toMatchObject({ tensor: 'b', message: expect.stringMatching(/unused bytes/) });
  });

  it('with a tensor twice is refused, which JSON.parse would not see', async () => {
    const entry = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';
    for (const second of ['"w"', '"\\u0077"']) {
      const error = await errorOf(safetensorsOf(`{"w":${entry},${second} : ${entry}}`, new Uint8Array(4)));
      expect(error).toMatchObject({ tensor: 'w', message: expect.stringMatching(/has "w" twice/) });
    }
    const inside = safetensorsOf(`{"v":{},"w":{"dtype":"F16",${entry.slice(1)}}`, new Uint8Array(4));
    expect(await errorOf(inside)).toMatchObject({ tensor: 'w', message: expect.stringMatching(/has "dtype" twice/) });
  });

  it('is not taken for one with a key twice because of what its strings hold', async () => {
    const entry = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';
    const header = `{"__metadata__":{"a":"\\"b\\":{","b":"a","c":":"},"a\\"b\\":":${entry}}`;
    expect([...(await open(safetensorsOf(header, new Uint8Array(4)))).tensors.keys()]).toEqual(['a"b":']);
  });
});
