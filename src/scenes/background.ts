/** What the objects of a scene stand before and are hidden by: textured, lit, cluttered ground and distracting marks. */
import { direction, type Point, type Random } from './arithmetic.ts';
import {
  type Colour,
  flat,
  mixed,
  noiseField,
  type Paint,
  type Raster,
  randomColour,
  randomPattern,
} from './raster.ts';
import { box, capsule, type Distance, disc, polygon, union } from './shapes.ts';

/** One ground, or two that meet at a slanting line: mottled between two colours, with a pattern over it or none. */
export function paintGround(raster: Raster, random: Random): void {
  const { size, pixels } = raster;
  const mottle = noiseField(random, size, random.integer(2, 7), 5);
  const grounds = [randomGround(random), randomGround(random)];
  const isSplit = random.chance(0.4);
  const [nx, ny] = direction(random.between(0.15, 0.35));
  const edge = nx * 0.5 + ny * random.between(0.3, 0.8);
  const roughness = random.between(0, 0.12);
  const colour: [number, number, number] = [0, 0, 0];
  for (let row = 0; row < size; row++) {
    const y = (row + 0.5) / size;
    for (let column = 0; column < size; column++) {
      const x = (column + 0.5) / size;
      const at = row * size + column;
      const shade = mottle[at]!;
      const side = isSplit && nx * x + ny * y + roughness * (shade - 0.5) > edge ? 1 : 0;
      grounds[side]!(colour, x, y, shade);
      for (let c = 0; c < 3; c++) pixels[3 * at + c] = colour[c]!;
    }
  }
}

/** @returns paint whose last argument is the mottling, 0 … 1 */
function randomGround(random: Random): Paint {
  const dark = randomColour(random);
  const light = mixed(dark, randomColour(random), random.between(0.25, 0.7));
  const tone = mixed(mixed(dark, light, 0.5), randomColour(random), 0.5);
  const pattern = random.chance(0.65) ? randomPattern(random, random.between(0.04, 0.16)) : undefined;
  const strength = random.between(0.2, 0.7);
  return (colour, x, y, shade) => {
    const mottling = 1.6 * shade - 0.3;
    const share = pattern === undefined ? 0 : strength * pattern(x, y);
    for (let c = 0; c < 3; c++) {
      const ground = dark[c]! + mottling * (light[c]! - dark[c]!);
      colour[c] = ground + share * (tone[c]! - ground);
    }
  };
}

/** Things that are none of the classes: discs, bars, boards, triangles, lines, zigzags, tufts. */
export function scatterMarks(raster: Raster, random: Random, count: number): void {
  for (let i = 0; i < count; i++) {
    const colour = randomColour(random);
    const mark = randomMark(random);
    const form = { x: random.next(), y: random.next(), opacity: random.between(0.35, 1), ...mark };
    raster.lay(form, random.chance(0.4) ? shadedPaint(random, colour) : flat(colour));
  }
}

/** Lays something across an object's edge that hides about a fifth of it, at the most. */
export function occlude(raster: Raster, random: Random, x: number, y: number, radius: number, layer: number): void {
  const [c, s] = direction(random.next());
  const colour = randomColour(random);
  if (random.chance(0.6)) {
    const offset = random.between(0.25, 0.7) * radius;
    const halfWidth = random.between(0.08, 0.15) * radius;
    const half = random.between(1.2, 1.8) * radius;
    const bar = capsule([-half, 0], [half, 0], halfWidth);
    const distance = rotated([c, s], bar);
    raster.lay(
      { x: x - offset * s, y: y + offset * c, reach: half + halfWidth, distance, layer },
      shadedPaint(random, colour),
    );
  } else {
    const blob = random.between(0.3, 0.45) * radius;
    const away = random.between(0.8, 1.05) * radius;
    const lobes = [0, 1, 2, 3, 4].map((i) => {
      const [lc, ls] = direction(i / 5 + 0.1 * random.next());
      return disc(0.5 * blob * lc, 0.5 * blob * ls, random.between(0.45, 0.6) * blob);
    });
    raster.lay(
      { x: x + away * c, y: y + away * s, reach: 1.2 * blob, distance: union(...lobes), layer },
      shadedPaint(random, colour),
    );
  }
}

/** Light from one side, darker corners, and the grain of a sensor. */
export function lightAndGrain(raster: Raster, random: Random): void {
  const { size, pixels } = raster;
  const [lx, ly] = direction(random.next());
  const slope = random.between(0, 0.5);
  const vignette = random.between(0, 0.5);
  const exposure = random.between(0.85, 1.12);
  const grain = random.between(2, 16);
  for (let row = 0; row < size; row++) {
    const y = (row + 0.5) / size - 0.5;
    for (let column = 0; column < size; column++) {
      const x = (column + 0.5) / size - 0.5;
      const light = exposure * (1 + slope * (lx * x + ly * y) - vignette * (x * x + y * y));
      const speck = grain * (random.next() - 0.5);
      const at = 3 * (row * size + column);
      for (let c = 0; c < 3; c++) pixels[at + c] = pixels[at + c]! * light + speck;
    }
  }
}

/** Two tones of a colour, across or in a pattern. */
function shadedPaint(random: Random, colour: Colour): Paint {
  const other = mixed(colour, randomColour(random), 0.4);
  const pattern = randomPattern(random, random.between(0.02, 0.06));
  return (out, x, y) => {
    const share = pattern(x, y);
    for (let c = 0; c < 3; c++) out[c] = colour[c]! + share * (other[c]! - colour[c]!);
  };
}

/** A mark around (0, 0). */
function randomMark(random: Random): { distance: Distance; reach: number } {
  const turn = direction(random.next());
  const length = random.between(0.03, 0.16);
  switch (random.integer(0, 6)) {
    case 0:
      return { distance: disc(0, 0, length / 3), reach: length };
    case 1:
      return { distance: rotated(turn, box(0, 0, length / 2, length * random.between(0.1, 0.5))), reach: length };
    case 2: {
      const [a, b, c] = [0, 1, 2].map((i): Point => {
        const [x, y] = direction(i / 3 + random.between(-0.1, 0.1));
        return [(x * length) / 2, (y * length) / 2];
      }) as [Point, Point, Point];
      return { distance: polygon([a, b, c]), reach: length };
    }
    case 3: {
      const half = 3 * length;
      const line = capsule([-half, 0], [half, 0], random.between(0.002, 0.012));
      return { distance: rotated(turn, line), reach: half + 0.02 };
    }
    case 4:
      return { distance: rotated(turn, zigzag(random, length)), reach: 1.5 * length };
    case 5: {
      // A tuft: blades from one root.
      const blades = [0, 1, 2, 3].map((i) => {
        const [x, y] = direction(0.75 + (i - 1.5) * random.between(0.03, 0.09));
        return capsule([0, 0], [length * x, length * y], 0.006);
      });
      return { distance: union(...blades), reach: length + 0.01 };
    }
    default: {
      const crumbs = [0, 1, 2, 3].map(() =>
        disc(random.between(-0.5, 0.5) * length, random.between(-0.5, 0.5) * length, random.between(0.006, 0.014)),
      );
      return { distance: union(...crumbs), reach: length };
    }
  }
}

function zigzag(random: Random, length: number): Distance {
  const knees = random.integer(3, 5);
  const at = (i: number): Point => [(i / knees - 0.5) * 2 * length, (i % 2 === 0 ? -0.25 : 0.25) * length];
  const thickness = random.between(0.004, 0.012);
  return union(...Array.from({ length: knees }, (_, i) => capsule(at(i), at(i + 1), thickness)));
}

export function rotated([c, s]: Point, distance: Distance): Distance {
  return (x, y) => distance(c * x + s * y, c * y - s * x);
}
