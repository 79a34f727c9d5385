import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { HELD_BYTES, StreamedSha256 } from '../../src/weights/sha256.ts';

describe('the SHA-256 of pieces', () => {
  const bytes = Uint8Array.from({ length: HELD_BYTES + 1000 }, (_, i) => (i * i) >> 3);
  const ours = async (length: number, pieceBytes: number) => {
    const hash = new StreamedSha256();
    for (let at = 0; at < length; at += pieceBytes) {
      await hash.update(bytes.subarray(at, Math.min(at + pieceBytes, length)));
    }
    return hash.hex();
  };
  const nodes = (length: number) => createHash('sha256').update(bytes.subarray(0, length)).digest('hex');

  it.each([
    ['no bytes', 0, 1],
    ['few, one by one', 200, 1],
    ['as many as are held', HELD_BYTES, 3_000_001],
    ['one more', HELD_BYTES + 1, 3_000_001],
    ['more than are held at once', HELD_BYTES + 1000, HELD_BYTES + 1000],
    ['pieces behind those that were held', HELD_BYTES + 1000, HELD_BYTES / 2],
  ])('%s', async (_, length, pieceBytes) => {
    expect(await ours(length, pieceBytes)).toBe(nodes(length));
  });

  it('is asked of an incremental one, where there is one', async () => {
    const pieces: Uint8Array[] = [];
    const hash = new StreamedSha256({ update: (piece) => pieces.push(piece), hex: () => `of ${pieces.length}` });
    await hash.update(bytes.subarray(0, 3));
    await hash.update(bytes.subarray(3, 4));
    expect(pieces).toEqual([bytes.slice(0, 3), bytes.slice(3, 4)]);
    expect(await hash.hex()).toBe('of 2');
  });
});
