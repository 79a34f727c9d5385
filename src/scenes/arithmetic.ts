/**
 * Random numbers and geometry whose results are the same bits in every engine: ECMAScript fixes + - * / and Math.sqrt to
 * the last bit, but leaves Math.sin, Math.cos, Math.atan2, Math.exp and Math.pow to the engine.
 */

/** Numbers in [0, 1), always the same for the same seed. */
export class Random {
  #state: number;

  /**
   * @param seed 0 … 2^53 − 1
   * @param stream different streams of a seed are independent, so that a choice in one does not shift the others.
   */
  constructor(seed: number, stream = 0) {
    const low = seed >>> 0;
    const high = Math.floor(seed / 2 ** 32);
    this.#state = mix(mix(mix(low) ^ high) ^ stream);
  }

  /** Mulberry32 (Tommy Ettinger): random enough for a drawing. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** A whole number from low to high, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor((high - low + 1) * this.next());
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.integer(0, choices.length - 1)]!;
  }
}

/** MurmurHash3's finaliser: neighbouring seeds become unlike states. */
function mix(word: number): number {
  let h = (word + 0x9e3779b9) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

export type Point = readonly [x: number, y: number];

/** (cos, sin) of an angle in turns, by Taylor's series on an eighth of a turn: exact to about 1e-9. */
export function direction(turns: number): Point {
  const quarters = Math.floor(turns * 4 + 0.5);
  const angle = (turns - quarters / 4) * TURN;
  const a2 = angle * angle;
  const sine = angle * (1 - (a2 / 6) * (1 - (a2 / 20) * (1 - (a2 / 42) * (1 - a2 / 72))));
  const cosine = 1 - (a2 / 2) * (1 - (a2 / 12) * (1 - (a2 / 30) * (1 - (a2 / 56) * (1 - a2 / 90))));
  switch (((quarters % 4) + 4) % 4) {
    case 0:
      return [cosine, sine];
    case 1:
      return [-sine, cosine];
    case 2:
      return [-cosine, -sine];
    default:
      return [sine, -cosine];
  }
}

const TURN = 6.283185307179586;

/** The angle of (x, y) in turns, in [0, 1): a polynomial in the tangent (Hastings 1955), exact to about 2e-6 turns. */
export function turnsOf(x: number, y: number): number {
  const ax = x < 0 ? -x : x;
  const ay = y < 0 ? -y : y;
  if (ax + ay === 0) return 0;
  const isSteep = ay > ax;
  const t = isSteep ? ax / ay : ay / ax;
  const t2 = t * t;
  const eighth = (t * (0.999866 + t2 * (-0.3302995 + t2 * (0.180141 + t2 * (-0.085133 + t2 * 0.0208351))))) / TURN;
  const quarter = isSteep ? 0.25 - eighth : eighth;
  const half = x < 0 ? 0.5 - quarter : quarter;
  const turns = y < 0 ? 1 - half : half;
  return turns >= 1 ? 0 : turns;
}

export function clamp(value: number, low: number, high: number): number {
  return value < low ? low : Math.min(value, high);
}

/** The cubic that goes from 0 at `low` to 1 at `high` without a kink. */
export function smoothstep(low: number, high: number, value: number): number {
  const t = clamp((value - low) / (high - low), 0, 1);
  return t * t * (3 - 2 * t);
}
