/** Captions in pictures, in letters of their own: a machine without a window system has no fonts either. */
import type { OverlayImage } from './overlay.ts';

/** A letter's columns and rows, without the space around it. */
const COLUMNS = 5;
const ROWS = 7;
/** From a letter to the next, and from a line to the next. */
const ADVANCE = COLUMNS + 1;
const LINE = ROWS + 3;

const INK = [32, 32, 32, 255];

/** From the space to the tilde, five columns each as hexadecimal bytes, the top row in the lowest bit. */
const ASCII =
  '0000000000 00005f0000 0007000700 147f147f14 242a7f2a12 2313086462 3649552250 0005030000 ' +
  '001c224100 0041221c00 14083e0814 08083e0808 0050300000 0808080808 0060600000 2010080402 ' +
  '3e5149453e 00427f4000 4261514946 2141454b31 1814127f10 2745454539 3c4a494930 0171090503 ' +
  '3649494936 064949291e 0036360000 0056360000 0814224100 1414141414 0041221408 0201510906 ' +
  '324979413e 7e1111117e 7f49494936 3e41414122 7f4141221c 7f49494941 7f09090901 3e4149497a ' +
  '7f0808087f 00417f4100 2040413f01 7f08142241 7f40404040 7f020c027f 7f0408107f 3e4141413e ' +
  '7f09090906 3e4151215e 7f09192946 4649494931 01017f0101 3f4040403f 1f2040201f 3f4038403f ' +
  '6314081463 0708700807 6151494543 007f414100 0204081020 0041417f00 0402010204 4040404040 ' +
  '0001020400 2054545478 7f48444438 3844444420 384444487f 3854545418 087e090102 0c5252523e ' +
  '7f08040478 00447d4000 2040443d00 7f10284400 00417f4000 7c04180478 7c08040478 3844444438 ' +
  '7c14141408 081414187c 7c08040408 4854545420 043f444020 3c4040207c 1c2040201c 3c4030403c ' +
  '4428102844 0c5050503c 4464544c44 0008364100 00007f0000 0041360800 1008081008';
/** What captions need besides; the last one stands for any other. */
const OTHERS = { '×': '2214081422', σ: '3844443c04', '�': '7f4141417f' };

const GLYPHS: ReadonlyMap<string, string> = new Map([
  ...ASCII.split(' ').map((glyph, i) => [String.fromCharCode(32 + i), glyph] as const),
  ...Object.entries(OTHERS),
]);

/** Pixels that the lines take when each of a letter's dots is `scale` pixels wide and high. */
export function letteringSize(lines: readonly string[], scale: number): { width: number; height: number } {
  const longest = Math.max(0, ...lines.map((line) => [...line].length));
  return { width: longest * ADVANCE * scale, height: lines.length * LINE * scale };
}

/** Writes lines into the picture, dark; what lies beyond it is left out. */
export function drawLettering(
  image: OverlayImage,
  lines: readonly string[],
  { left, top, scale }: { readonly left: number; readonly top: number; readonly scale: number },
): void {
  lines.forEach((line, l) => {
    [...line].forEach((letter, i) => {
      drawLetter(image, letter, left + i * ADVANCE * scale, top + l * LINE * scale, scale);
    });
  });
}

function drawLetter(image: OverlayImage, letter: string, left: number, top: number, scale: number): void {
  const glyph = GLYPHS.get(letter) ?? OTHERS['�'];
  for (let column = 0; column < COLUMNS; column++) {
    const dots = Number.parseInt(glyph.slice(2 * column, 2 * column + 2), 16);
    for (let row = 0; row < ROWS; row++) {
      if (dots & (1 << row)) drawDot(image, left + column * scale, top + row * scale, scale);
    }
  }
}

function drawDot({ data, width, height }: OverlayImage, left: number, top: number, scale: number): void {
  for (let y = Math.max(top, 0); y < Math.min(top + scale, height); y++) {
    for (let x = Math.max(left, 0); x < Math.min(left + scale, width); x++) data.set(INK, 4 * (y * width + x));
  }
}
