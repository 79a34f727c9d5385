import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ImageError } from '../../src/errors.ts';
import { encodeNpy, parseNpy } from '../../src/image/npy.ts';

/** A .npy file with this header text and these element bytes, as numpy.save lays it out. */
function npy(header: string, elements: Uint8Array, version = 1): Uint8Array {
  const prefix = version === 1 ? [1, 0, header.length & 255, header.length >> 8] : [version, 0, header.length, 0, 0, 0];
  const text = Uint8Array.from(header, (c) => c.charCodeAt(0));
  return Uint8Array.from([0x93, ...Uint8Array.from('NUMPY', (c) => c.charCodeAt(0)), ...prefix, ...text, ...elements]);
}

const header = (shape: string, descr = '|u1', order = 'False') =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }    \n`;

describe('parseNpy', () => {
  it('reads shape, dtype and elements', () => {
    const array = parseNpy(npy(header('(1, 2, 3)'), Uint8Array.of(1, 2, 3, 4, 5, 6)), 'a.npy');
    expect(array).toEqual({
      dtype: '|u1',
      fortranOrder: false,
      shape: [1, 2, 3],
      bytes: Uint8Array.of(1, 2, 3, 4, 5, 6),
    });
  });

  it.each([2, 3])('reads format version %i', (version) => {
    expect(parseNpy(npy(header('(2,)'), Uint8Array.of(8, 9), version), 'a.npy').shape).toEqual([2]);
  });

  it('reads a scalar and an empty array', () => {
    expect(parseNpy(npy(header('()', '<f4'), new Uint8Array(4)), 'a.npy').shape).toEqual([]);
    expect(parseNpy(npy(header('(0, 3)'), new Uint8Array(0)), 'a.npy').shape).toEqual([0, 3]);
  });

  it("reads Fortran's order", () => {
    expect(parseNpy(npy(header('(2,)', '|u1', 'True'), Uint8Array.of(1, 2)), 'a.npy').fortranOrder).toBe(true);
  });

  const whole = npy(header('(2, 2)'), Uint8Array.of(1, 2, 3, 4));
  it.each([
    ['nothing', new Uint8Array(0), /magic/],
    ['text', new TextEncoder().encode('hello, this is text'), /magic/],
    ['an end within the header', whole.subarray(0, 20), /header of \d+ bytes, in a file of 20/],
    ['an end within the elements', whole.subarray(0, whole.length - 1), /takes 4 bytes of elements, the file has 3/],
    ['bytes after the elements', npy(header('(2,)'), new Uint8Array(3)), /takes 2 bytes of elements, the file has 3/],
    ['an unknown version', npy(header('(2,)'), new Uint8Array(2), 9), /version 9/],
    ['objects', npy(header('(2,)', '|O'), new Uint8Array(16)), /dtype '\|O'/],
    [
      'records',
      npy("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,), }\n", new Uint8Array(4)),
      /plain/,
    ],
    ['a shape that overflows', npy(header('(9007199254740993, 3)'), new Uint8Array(3)), /the file has 3/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => parseNpy(bytes, 'a.npy')).toThrow(ImageError);
    expect(() => parseNpy(bytes, 'a.npy')).toThrow(/^a\.npy: /);
    expect(() => parseNpy(bytes, 'a.npy')).toThrow(message);
  });
});

describe('encodeNpy', () => {
  it.each([{ shape: [1, 1] }, { shape: [14, 14] }, { shape: [3, 7, 5] }])(
    'gives back what it was given: $shape',
    ({ shape }) => {
      const values = Float32Array.from(
        { length: shape.reduce((a, b) => a * b) },
        (_, i) => Math.sin(i) * 10 ** (i % 9),
      );
      const bytes = encodeNpy(values, shape);
      const array = parseNpy(bytes, 'a.npy');
      expect(array).toMatchObject({ dtype: '<f4', fortranOrder: false, shape });
      expect(new Float32Array(array.bytes.slice().buffer)).toEqual(values);
      expect((bytes.length - 4 * values.length) % 64).toBe(0);
    },
  );

  it('refuses a shape that is not that of the values', () => {
    expect(() => encodeNpy(new Float32Array(5), [2, 3])).toThrow(/\(2, 3\) has 6 elements; 5/);
  });

  const golden = '../shared/golden/chelsea.grad-cam.npy';
  it.runIf(existsSync(golden))('writes the bytes that numpy.save wrote (skipped without ../shared)', () => {
    const bytes = readFileSync(golden);
    const { bytes: elements, shape } = parseNpy(bytes, golden);
    const values = new Float32Array(Uint8Array.from(elements).buffer);
    expect(Buffer.from(encodeNpy(values, shape)).equals(bytes)).toBe(true);
  });
});
