import { describe, expect, it } from 'vitest';
import { drawnPicture } from '../../src/image/drawn.ts';

describe('drawnPicture', () => {
  it('is opaque R G B A of the size asked for', () => {
    const { data, width, height } = drawnPicture(0, 37);
    expect([width, height, data.length]).toEqual([37, 37, 4 * 37 * 37]);
    expect(data.filter((_, i) => i % 4 === 3).every((alpha) => alpha === 255)).toBe(true);
  });

  it('is the same for the same seed, another for another', () => {
    expect(drawnPicture(3, 32)).toEqual(drawnPicture(3, 32));
    expect(drawnPicture(3, 32).data).not.toEqual(drawnPicture(4, 32).data);
  });

  it('has something to look at', () => {
    const { data } = drawnPicture();
    const colours = new Set<number>();
    for (let i = 0; i < data.length; i += 4) colours.add((data[i]! << 16) | (data[i + 1]! << 8) | data[i + 2]!);
    expect(colours.size).toBeGreaterThan(20);
  });
});
