/**
 * The classes of objects as signed distances: negative inside, in units of the object's radius. Every outline lies in the
 * unit disc and touches its edge somewhere, so that an object's size is a diameter whatever its rotation. x points to
 * the right and y down.
 */
import { direction, type Point, type Random, turnsOf } from './arithmetic.ts';
import type { SceneClass } from './classes.ts';

/** Signed distance to an outline at a point; a good estimate of it, near the outline. */
export type Distance = (x: number, y: number) => number;

export interface Shape {
  readonly outline: Distance;
  /** What is painted in another colour on the object: a door, an eye. */
  readonly accent?: Distance;
}

export interface ShapeClass {
  /** How far an object may be turned from upright, in turns. */
  readonly lean: number;
  /** One object of the class: no two are of quite the same proportions. */
  make(random: Random): Shape;
}

const ANY_WAY = 0.5;

export const SHAPES: Readonly<Record<SceneClass, ShapeClass>> = {
  ring: { lean: ANY_WAY, make: ring },
  star: { lean: ANY_WAY, make: star },
  arrow: { lean: ANY_WAY, make: arrow },
  cross: { lean: ANY_WAY, make: cross },
  crescent: { lean: ANY_WAY, make: crescent },
  heart: { lean: 0.12, make: heart },
  key: { lean: ANY_WAY, make: key },
  fish: { lean: 0.12, make: fish },
  house: { lean: 0.08, make: house },
  tree: { lean: 0.08, make: tree },
  cup: { lean: 0.1, make: cup },
  spiral: { lean: ANY_WAY, make: spiral },
};

function ring(random: Random): Shape {
  const halfWidth = random.between(0.11, 0.2);
  return { outline: annulus(0, 0, 1 - halfWidth, halfWidth) };
}

function star(random: Random): Shape {
  const points = random.pick([5, 5, 5, 6]);
  const inner = points === 5 ? random.between(0.38, 0.48) : random.between(0.48, 0.56);
  const corners = Array.from({ length: 2 * points }, (_, i): Point => {
    const [c, s] = direction(i / (2 * points) - 0.25);
    const radius = i % 2 === 0 ? 1 : inner;
    return [radius * c, radius * s];
  });
  return { outline: polygon(corners) };
}

function arrow(random: Random): Shape {
  const shaft = random.between(0.13, 0.22);
  const head = random.between(0.48, 0.62);
  const neck = random.between(-0.05, 0.2);
  const barb = random.between(0, 0.12);
  const tail = -Math.sqrt(1 - shaft * shaft);
  return {
    outline: polygon([
      [1, 0],
      [neck - barb, head],
      [neck, shaft],
      [tail, shaft],
      [tail, -shaft],
      [neck, -shaft],
      [neck - barb, -head],
    ]),
  };
}

function cross(random: Random): Shape {
  const arm = random.between(0.19, 0.3);
  const reach = Math.sqrt(1 - arm * arm);
  return { outline: union(box(0, 0, reach, arm), box(0, 0, arm, reach)) };
}

function crescent(random: Random): Shape {
  const shift = random.between(0.38, 0.55);
  const bite = random.between(0.8, 0.9);
  return { outline: without(disc(0, 0, 1), disc(shift, 0, bite)) };
}

/** A square on its corner, with half a disc on each of its upper sides. */
function heart(random: Random): Shape {
  const narrowing = random.between(1, 1.1);
  const side = 1.11;
  const halfDiagonal = side * Math.SQRT1_2;
  const bottom = 0.995;
  const middle = bottom - halfDiagonal;
  const [lobeX, lobeY] = [halfDiagonal / 2, middle - halfDiagonal / 2];
  const outline = union(
    polygon([
      [0, middle - halfDiagonal],
      [halfDiagonal, middle],
      [0, bottom],
      [-halfDiagonal, middle],
    ]),
    disc(lobeX, lobeY, side / 2),
    disc(-lobeX, lobeY, side / 2),
  );
  return { outline: (x, y) => outline(x * narrowing, y) };
}

function key(random: Random): Shape {
  const bow = random.between(0.34, 0.42);
  const bowWidth = random.between(0.1, 0.14);
  const shaft = random.between(0.075, 0.11);
  const tooth = random.between(0.24, 0.32);
  const bowAt = -0.99 + bow;
  const [left, right] = [bowAt + bow - bowWidth, 0.97];
  return {
    outline: union(
      annulus(bowAt, 0, bow - bowWidth, bowWidth),
      box((left + right) / 2, 0, (right - left) / 2, shaft),
      box(right - 0.1 - 0.02, tooth / 2, 0.09, tooth / 2),
      box(right - 0.42, (tooth * 0.8) / 2, 0.09, (tooth * 0.8) / 2),
    ),
  };
}

/** A body between two arcs, and a forked tail. */
function fish(random: Random): Shape {
  const halfHeight = random.between(0.36, 0.5);
  const tail = random.between(0.38, 0.5);
  const centre = -0.24;
  const halfLength = 0.74;
  const radius = (halfLength * halfLength + halfHeight * halfHeight) / (2 * halfHeight);
  const shift = radius - halfHeight;
  const body = intersection(disc(centre, shift, radius), disc(centre, -shift, radius));
  return {
    outline: union(
      body,
      polygon([
        [0.25, 0],
        [0.86, -tail],
        [0.68, 0],
        [0.86, tail],
      ]),
    ),
    accent: union(disc(-0.64, -0.08, 0.08), without(disc(-0.72, 0, 0.42), disc(-0.78, 0, 0.41))),
  };
}

function house(random: Random): Shape {
  const half = random.between(0.56, 0.66);
  const eaves = half + random.between(0.1, 0.16);
  const floor = Math.sqrt(1 - half * half);
  const roof = random.between(-0.2, -0.05);
  const chimney = random.pick([-1, 1]) * 0.42;
  const door = random.between(0.11, 0.15);
  return {
    outline: union(
      box(0, (roof + floor) / 2, half, (floor - roof) / 2),
      polygon([
        [0, -0.98],
        [eaves, roof],
        [-eaves, roof],
      ]),
      box(chimney, -0.5, 0.11, 0.3),
    ),
    accent: union(
      box(-chimney * 0.6, floor - 0.26, door, 0.26),
      box(chimney * 0.65, (roof + floor) / 2 - 0.05, 0.13, 0.13),
    ),
  };
}

/** A conifer: tiers, each wider than the one above, on a trunk. */
function tree(random: Random): Shape {
  const tiers = random.integer(3, 4);
  const width = random.between(0.56, 0.68);
  const foot = 0.66;
  const height = (foot + 0.99) / tiers;
  const crown = Array.from({ length: tiers }, (_, i) => {
    const halfWidth = width * (0.5 + (0.5 * i) / (tiers - 1));
    const bottom = -0.99 + height * (i + 1);
    const top = i === 0 ? -0.99 : bottom - height * 1.45;
    return polygon([
      [0, top],
      [halfWidth, bottom],
      [-halfWidth, bottom],
    ]);
  });
  const trunk = box(0, 0.81, random.between(0.1, 0.15), 0.17);
  return { outline: union(...crown, trunk), accent: trunk };
}

function cup(random: Random): Shape {
  const top = random.between(0.52, 0.58);
  const bottom = top * random.between(0.68, 0.95);
  const handle = random.between(0.3, 0.36);
  const [rim, base] = [-0.66, 0.66];
  const body = polygon([
    [-0.16 - top, rim],
    [-0.16 + top, rim],
    [-0.16 + bottom, base],
    [-0.16 - bottom, base],
  ]);
  const grip = without(annulus(-0.16 + (top + bottom) / 2, -0.04, handle, 0.09), box(-0.6, 0, 0.9, 1));
  const band = random.between(-0.3, 0.2);
  return {
    outline: union(body, grip),
    accent: intersection(body, box(0, band, 1, random.between(0.08, 0.16))),
  };
}

/** Archimedes' spiral, as a band with round ends. */
function spiral(random: Random): Shape {
  const turns = random.between(2.1, 2.6);
  const halfWidth = random.between(0.085, 0.11);
  const start = 0.35;
  const pitch = (1 - halfWidth) / turns;
  const end = (at: number): Point => {
    const [c, s] = direction(at);
    return [pitch * at * c, pitch * at * s];
  };
  const [inner, outer] = [end(start), end(turns)];
  const caps = union(disc(inner[0], inner[1], halfWidth), disc(outer[0], outer[1], halfWidth));
  return {
    outline: (x, y) => {
      const radius = Math.sqrt(x * x + y * y);
      let nearest = caps(x, y);
      for (let at = turnsOf(x, y); at <= turns; at++) {
        if (at < start) continue;
        const distance = Math.abs(radius - pitch * at) - halfWidth;
        if (distance < nearest) nearest = distance;
      }
      return nearest;
    },
  };
}

export function disc(cx: number, cy: number, radius: number): Distance {
  return (x, y) => Math.sqrt((x - cx) * (x - cx) + (y - cy) * (y - cy)) - radius;
}

export function annulus(cx: number, cy: number, radius: number, halfWidth: number): Distance {
  const edge = disc(cx, cy, radius);
  return (x, y) => Math.abs(edge(x, y)) - halfWidth;
}

export function box(cx: number, cy: number, halfWidth: number, halfHeight: number): Distance {
  return (x, y) => {
    const dx = Math.abs(x - cx) - halfWidth;
    const dy = Math.abs(y - cy) - halfHeight;
    if (dx > 0 && dy > 0) return Math.sqrt(dx * dx + dy * dy);
    return Math.max(dx, dy);
  };
}

/** A thick line with round ends. */
export function capsule([x0, y0]: Point, [x1, y1]: Point, radius: number): Distance {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const squaredLength = dx * dx + dy * dy;
  return (x, y) => {
    let t = squaredLength > 0 ? ((x - x0) * dx + (y - y0) * dy) / squaredLength : 0;
    t = t < 0 ? 0 : Math.min(t, 1);
    const [ex, ey] = [x - x0 - t * dx, y - y0 - t * dy];
    return Math.sqrt(ex * ex + ey * ey) - radius;
  };
}

/** A simple polygon: the distance to its nearest side, with the sign of the even-odd rule. */
export function polygon(corners: readonly Point[]): Distance {
  const sides = corners.length;
  const [xs, ys, dxs, dys, inverses] = Array.from({ length: 5 }, () => new Float64Array(sides)) as Float64Array[];
  corners.forEach(([x, y], i) => {
    const [nextX, nextY] = corners[(i + 1) % sides]!;
    xs![i] = x;
    ys![i] = y;
    dxs![i] = nextX - x;
    dys![i] = nextY - y;
    inverses![i] = 1 / (dxs![i]! * dxs![i]! + dys![i]! * dys![i]!);
  });
  return (x, y) => {
    let squared = Infinity;
    let isInside = false;
    for (let i = 0; i < sides; i++) {
      const px = x - xs![i]!;
      const py = y - ys![i]!;
      const dx = dxs![i]!;
      const dy = dys![i]!;
      let t = (px * dx + py * dy) * inverses![i]!;
      t = t < 0 ? 0 : Math.min(t, 1);
      const ex = px - t * dx;
      const ey = py - t * dy;
      const d = ex * ex + ey * ey;
      if (d < squared) squared = d;
      // By the corners themselves, not by sums: neighbouring sides must agree on which side of the row their corner is.
      const crossesRow = ys![i]! > y !== ys![i + 1 === sides ? 0 : i + 1]! > y;
      if (crossesRow && (px * dy - py * dx) * dy < 0) isInside = !isInside;
    }
    const distance = Math.sqrt(squared);
    return isInside ? -distance : distance;
  };
}

export function union(...parts: readonly Distance[]): Distance {
  return (x, y) => {
    let nearest = Infinity;
    for (const part of parts) {
      const distance = part(x, y);
      if (distance < nearest) nearest = distance;
    }
    return nearest;
  };
}

export function intersection(a: Distance, b: Distance): Distance {
  return (x, y) => {
    const [da, db] = [a(x, y), b(x, y)];
    return Math.max(da, db);
  };
}

function without(whole: Distance, part: Distance): Distance {
  return intersection(whole, (x, y) => -part(x, y));
}
