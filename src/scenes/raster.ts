/** What scenes are painted with: a picture in float, noise, patterns, light, and shapes laid over it with soft edges. */
import { clamp, direction, type Random, smoothstep } from './arithmetic.ts';
import type { Distance } from './shapes.ts';

/** R, G, B, each 0 … 255; in a picture they may go beyond until it is finished. */
export type Colour = readonly [red: number, green: number, blue: number];

/** The unit of length is the picture's side, so that a scene looks the same at every size. */
export class Raster {
  readonly size: number;
  /** [size, size, 3] */
  readonly pixels: Float32Array;
  /** [size, size]: the layer that hides more than half of what was there, or 0. */
  readonly owner: Uint8Array;

  constructor(size: number) {
    this.size = size;
    this.pixels = new Float32Array(size * size * 3);
    this.owner = new Uint8Array(size * size);
  }

  /**
   * Lays a form over the picture.
   *
   * @param distance signed distance to its outline in the picture's unit, from a point relative to its centre
   * @param paint writes the colour there into the given array; `depth` is the distance in pixels
   */
  lay(form: Form, paint: Paint): void {
    const { size, pixels, owner } = this;
    const { x: cx, y: cy, reach, distance, opacity = 1, layer } = form;
    const margin = reach + 1 / size;
    const left = clamp(Math.floor((cx - margin) * size), 0, size);
    const right = clamp(Math.floor((cx + margin) * size) + 1, 0, size);
    const top = clamp(Math.floor((cy - margin) * size), 0, size);
    const bottom = clamp(Math.floor((cy + margin) * size) + 1, 0, size);
    const colour: [number, number, number] = [0, 0, 0];
    const softness = form.softness === undefined ? 1 : form.softness * size;
    for (let row = top; row < bottom; row++) {
      const y = (row + 0.5) / size - cy;
      for (let column = left; column < right; column++) {
        const x = (column + 0.5) / size - cx;
        const depth = distance(x, y) * size;
        const coverage = 0.5 - depth / softness;
        if (coverage <= 0) continue;
        const at = row * size + column;
        if (layer !== undefined && coverage >= 0.5) owner[at] = layer;
        paint(colour, x, y, depth);
        const alpha = opacity * Math.min(coverage, 1);
        for (let c = 0; c < 3; c++) pixels[3 * at + c]! += alpha * (colour[c]! - pixels[3 * at + c]!);
      }
    }
  }

  /** Mean colour of a square of pixels around a point. */
  meanColour(x: number, y: number, radius: number): Colour {
    const { size, pixels } = this;
    const sum = [0, 0, 0];
    const step = Math.max(1, Math.floor((radius * size) / 6));
    const [left, right] = [x - radius, x + radius].map((v) => clamp(Math.floor(v * size), 0, size - 1)) as [
      number,
      number,
    ];
    const [top, bottom] = [y - radius, y + radius].map((v) => clamp(Math.floor(v * size), 0, size - 1)) as [
      number,
      number,
    ];
    let count = 0;
    for (let row = top; row <= bottom; row += step) {
      for (let column = left; column <= right; column += step, count++) {
        for (let c = 0; c < 3; c++) sum[c]! += pixels[3 * (row * size + column) + c]!;
      }
    }
    return [sum[0]! / count, sum[1]! / count, sum[2]! / count];
  }

  /** The finished picture: R, G, B, A with 8 bits each. */
  toRgba(): Uint8ClampedArray<ArrayBuffer> {
    const { size, pixels } = this;
    const data = new Uint8ClampedArray(4 * size * size);
    for (let at = 0; at < size * size; at++) {
      for (let c = 0; c < 3; c++) data[4 * at + c] = Math.floor(pixels[3 * at + c]! + 0.5);
      data[4 * at + 3] = 255;
    }
    return data;
  }
}

export interface Form {
  /** Centre, in the picture's unit. */
  readonly x: number;
  readonly y: number;
  /** No part is farther from the centre, along either axis. */
  readonly reach: number;
  readonly distance: Distance;
  /** Default 1. */
  readonly opacity?: number;
  /** Width of the edge, in the picture's unit. Default: a pixel. */
  readonly softness?: number;
  /** Entered in `owner` where the form hides what is below. Default: it leaves no trace there. */
  readonly layer?: number;
}

export type Paint = (colour: [number, number, number], x: number, y: number, depth: number) => void;

export function flat([red, green, blue]: Colour): Paint {
  return (colour) => {
    colour[0] = red;
    colour[1] = green;
    colour[2] = blue;
  };
}

/** A number in 0 … 1 for every point: which of two tones is there. */
export type Pattern = (x: number, y: number) => number;

/** Patterns by name; `scale` is the length of a repetition. */
const PATTERNS: Record<string, (random: Random, scale: number) => Pattern> = {
  stripes: (random, scale) => {
    const share = random.between(0.3, 0.6);
    return turned(random, (x) => (fraction(x / scale) < share ? 1 : 0));
  },
  waves: (random, scale) => {
    const height = random.between(0.2, 0.5) * scale;
    return turned(random, (x, y) => tent(x / scale + (tent(y / (2.5 * scale)) * height) / scale));
  },
  checks: (random, scale) =>
    turned(random, (x, y) => (fraction(x / scale) < 0.5 === fraction(y / scale) < 0.5 ? 1 : 0)),
  dots: (random, scale) => {
    const radius = random.between(0.06, 0.14);
    return turned(random, (x, y) => {
      const [u, v] = [fraction(x / scale) - 0.5, fraction(y / scale) - 0.5];
      return u * u + v * v < radius ? 1 : 0;
    });
  },
  bricks: (random, scale) => {
    const joint = random.between(0.06, 0.12);
    return turned(random, (x, y) => {
      const row = Math.floor((2 * y) / scale);
      const u = fraction(x / scale + row / 2);
      return u < joint || fraction((2 * y) / scale) < 2 * joint ? 1 : 0;
    });
  },
  gradient: (random, scale) => turned(random, (x) => clamp(x / (8 * scale) + 0.5, 0, 1)),
};

export function randomPattern(random: Random, scale: number): Pattern {
  return PATTERNS[random.pick(Object.keys(PATTERNS))]!(random, scale);
}

/** A pattern in a direction of its own and shifted. */
function turned(random: Random, pattern: Pattern): Pattern {
  const [c, s] = direction(random.next());
  const [dx, dy] = [random.next(), random.next()];
  return (x, y) => pattern(c * x + s * y + dx, c * y - s * x + dy);
}

function fraction(value: number): number {
  return value - Math.floor(value);
}

/** From 0 up to 1 and down again, once in every unit. */
function tent(value: number): number {
  const t = fraction(value);
  return t < 0.5 ? 2 * t : 2 - 2 * t;
}

/**
 * Value noise: random numbers on a lattice, smoothly joined, in octaves of half the size and half the strength.
 *
 * @param cells of the coarsest lattice, along a side
 * @returns [size, size], about 0 … 1 with mean 0.5
 */
export function noiseField(random: Random, size: number, cells: number, octaves: number): Float32Array {
  const field = new Float32Array(size * size);
  let strength = 0;
  for (let octave = 0; octave < octaves; octave++) strength += 1 / (1 << octave);
  for (let octave = 0; octave < octaves; octave++) {
    addLattice(field, size, random, cells * (1 << octave), 1 / ((1 << octave) * strength));
  }
  return field;
}

function addLattice(field: Float32Array, size: number, random: Random, cells: number, strength: number): void {
  const corners = cells + 1;
  const lattice = Float64Array.from({ length: corners * corners }, () => strength * random.next());
  const cellOf = new Int32Array(size);
  const weightOf = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    const position = ((i + 0.5) / size) * cells;
    cellOf[i] = Math.floor(position);
    weightOf[i] = smoothstep(0, 1, position - cellOf[i]!);
  }
  const line = new Float64Array(corners);
  for (let row = 0; row < size; row++) {
    const above = cellOf[row]! * corners;
    const t = weightOf[row]!;
    for (let i = 0; i < corners; i++) {
      line[i] = lattice[above + i]! * (1 - t) + lattice[above + corners + i]! * t;
    }
    for (let column = 0; column < size; column++) {
      const cell = cellOf[column]!;
      const u = weightOf[column]!;
      field[row * size + column]! += line[cell]! * (1 - u) + line[cell + 1]! * u;
    }
  }
}

/** Any colour, with lightness spread more evenly than that of three independent numbers. */
export function randomColour(random: Random): Colour {
  const lightness = random.between(30, 225);
  const spread = random.between(10, 110);
  const tint = (): number => clamp(lightness + spread * (2 * random.next() - 1), 4, 251);
  return [tint(), tint(), tint()];
}

export function mixed(a: Colour, b: Colour, share: number): Colour {
  return [a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]), a[2] + share * (b[2] - a[2])];
}

/** How different two colours look: green counts most and blue least, as in luminance. */
export function contrast(a: Colour, b: Colour): number {
  const [dr, dg, db] = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
  return Math.sqrt(0.3 * dr * dr + 0.5 * dg * dg + 0.2 * db * db);
}
