import { describe, expect, it } from 'vitest';
import { drawLettering, letteringSize } from '../../src/image/lettering.ts';

/** The picture as text, a character a pixel. */
function written(lines: string[], { scale = 1, left = 0, top = 0, width = 12, height = 10 } = {}): string[] {
  const image = { data: new Uint8ClampedArray(width * height * 4).fill(255), width, height };
  drawLettering(image, lines, { left, top, scale });
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => (image.data[4 * (y * width + x)] === 255 ? ' ' : '#'))
      .join('')
      .trimEnd(),
  );
}

describe('drawLettering', () => {
  it('writes letters', () => {
    expect(written(['Lt'])).toEqual([
      '#      #',
      '#      #',
      '#     ###',
      '#      #',
      '#      #',
      '#      #  #',
      '#####   ##',
      ...['', '', ''],
    ]);
  });

  it('makes each dot as large as it is told', () => {
    const single = written(['x'], { width: 6 });
    const double = written(['x'], { width: 12, height: 20, scale: 2 });
    const enlarged = single.flatMap((line) => Array<string>(2).fill([...line].map((dot) => dot + dot).join('')));
    expect(double).toEqual(enlarged);
  });

  it('has every letter that captions need, each another, and a box for the rest', () => {
    const needed = [...Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)), '×', 'σ', '�'];
    const pictures = needed.map((letter) => written([letter]).join('\n'));
    expect(new Set(pictures).size).toBe(needed.length);
    expect(written(['漢'])).toEqual(written(['�']));
  });

  it('leaves out what lies beyond the picture', () => {
    const whole = written(['Hello'], { width: 30 });
    const cut = written(['Hello'], { width: 20, left: -3, height: 5 });
    expect(cut).toEqual(whole.slice(0, 5).map((line) => line.slice(3, 23).trimEnd()));
  });

  it('takes the room that it says', () => {
    expect(letteringSize(['ab', 'σ=0.3'], 2)).toEqual({ width: 60, height: 40 });
    expect(letteringSize([], 3)).toEqual({ width: 0, height: 0 });
  });
});
