/** A picture without a file: what the command line explains when it is given none. */

/**
 * Draws a disc, a ring and a striped bar on a shaded background: edges, corners, colours and texture, for a network to
 * respond to. The same seed and size always give the same pixels.
 *
 * @param seed moves the shapes and changes their colours.
 * @param size side in pixels.
 * @returns R, G, B, A pixels, row by row from the top left.
 */
export function drawnPicture(
  seed = 0,
  size = 224,
): { data: Uint8ClampedArray<ArrayBuffer>; width: number; height: number } {
  const random = uniformNumbers(seed);
  const between = (low: number, high: number) => low + (high - low) * random();
  const colour = (): Colour => [between(40, 255), between(40, 255), between(40, 255)];
  const [topLeft, bottomRight] = [colour(), colour()].map((c) => c.map((v) => v / 2) as Colour);
  const disc = { x: between(0.2, 0.4), y: between(0.25, 0.45), radius: between(0.12, 0.18), colour: colour() };
  const ring = { x: between(0.6, 0.75), y: between(0.3, 0.5), radius: between(0.12, 0.16), colour: colour() };
  const bar = { x: between(0.3, 0.5), y: between(0.7, 0.8), width: 0.35, height: 0.09, colours: [colour(), colour()] };

  /** Colour at a point of the unit square. */
  const paint = (x: number, y: number): Colour => {
    if (Math.hypot(x - disc.x, y - disc.y) < disc.radius) return disc.colour;
    if (Math.abs(Math.hypot(x - ring.x, y - ring.y) - ring.radius) < 0.03) return ring.colour;
    if (Math.abs(x - bar.x) < bar.width / 2 && Math.abs(y - bar.y) < bar.height / 2) {
      return bar.colours[Math.floor((x + y) * 25) % 2]!;
    }
    const t = (x + y) / 2;
    return topLeft!.map((v, i) => v * (1 - t) + bottomRight![i]! * t) as Colour;
  };

  const data = new Uint8ClampedArray(4 * size * size);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const offset = 4 * (row * size + column);
      data.set([...paint((column + 0.5) / size, (row + 0.5) / size), 255], offset);
    }
  }
  return { data, width: size, height: size };
}

type Colour = [red: number, green: number, blue: number];

/** Mulberry32 (Tommy Ettinger): numbers in [0, 1) that are random enough for a drawing. */
function uniformNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
