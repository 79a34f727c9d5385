/**
 * Pictures whose truth is known to the pixel: objects of named classes on cluttered, textured, lit grounds, drawn from a
 * seed. The same seed and options give the same bytes in every engine (see arithmetic.ts).
 */
import { OptionError } from '../errors.ts';
import { checkOptionNames } from '../option-names.ts';
import { direction, Random } from './arithmetic.ts';
import { lightAndGrain, occlude, paintGround, rotated, scatterMarks } from './background.ts';
import { SCENE_CLASSES } from './classes.ts';
import { type Colour, contrast, mixed, Raster, randomColour, randomPattern } from './raster.ts';
import { SHAPES, type Shape } from './shapes.ts';

/** An object of a scene, as far as it can be seen. */
export interface SceneInstance {
  /** Index into SCENE_CLASSES. */
  readonly classIndex: number;
  /** [height * width], row by row: 1 where this object is visible. */
  readonly mask: Uint8Array;
  /** Of the visible part. */
  readonly box: PixelBox;
}

/** The smallest box around something, in whole pixels: it ends in front of left + width and top + height. */
export interface PixelBox {
  /** Column of its first pixels. */
  readonly left: number;
  /** Row of its first pixels. */
  readonly top: number;
  /** Columns. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
}

/** A drawn picture with its truth, to the pixel. It is a picture as explain() takes them. */
export interface Scene {
  /** What it was drawn from. */
  readonly seed: number;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** R, G, B, A with 8 bits each, row by row from the top left. */
  readonly data: Uint8ClampedArray<ArrayBuffer>;
  /** The main class: its objects are as many as the others or more, and each is larger than any other. */
  readonly classIndex: number;
  /** The main class's objects first. */
  readonly instances: readonly SceneInstance[];
}

/** What of a scene is not left to its seed. */
export interface SceneOptions {
  /** Side of the picture in pixels, 32 … 2048. Default 224. */
  size?: number;
  /** The main class. Default: the seed decides. */
  classIndex?: number;
  /** Objects of the main class, 1 … 4. Default: the seed decides. */
  instances?: number;
  /** Whether there are also one or two smaller objects of another class. Default: the seed decides, true for a third. */
  secondClass?: boolean;
}

/** Diameters of objects as shares of the picture's side. */
const SMALLEST = 0.12;
const LARGEST = 0.6;
/** Diameters of the second class's objects as a share of the main class's smallest. */
const SECOND_TO_MAIN = 0.65;

/** Random streams of a seed: what is asked for in one does not change the others. */
const STREAM = { plan: 1, ground: 2, marks: 3, light: 4, objects: 16 } as const;

/**
 * Draws a scene.
 *
 * @param seed 0 … 2^53 − 1
 * @throws OptionError
 */
export function drawScene(seed: number, options: SceneOptions = {}): Scene {
  checkOptionNames('drawScene()', options, { size: true, classIndex: true, instances: true, secondClass: true });
  const { size = 224 } = options;
  checkOptions(seed, size, options);
  const plan = planScene(seed, options);
  const raster = new Raster(size);
  paintGround(raster, new Random(seed, STREAM.ground));
  const marks = new Random(seed, STREAM.marks);
  scatterMarks(raster, marks, marks.integer(6, 30));
  plan.objects.forEach((object, index) => {
    paintObject(raster, object, index + 1, new Random(seed, STREAM.objects + index), plan.light);
  });
  lightAndGrain(raster, new Random(seed, STREAM.light));
  const instances = plan.objects.map(({ classIndex }, index) => instanceOf(raster, classIndex, index + 1));
  return { seed, width: size, height: size, data: raster.toRgba(), classIndex: plan.classIndex, instances };
}

function checkOptions(seed: number, size: number, { classIndex, instances }: SceneOptions): void {
  const check = (option: string, value: number | undefined, low: number, high: number) => {
    if (value === undefined || (Number.isInteger(value) && value >= low && value <= high)) return;
    throw new OptionError(option, value, `a whole number from ${low} to ${high}`);
  };
  check('seed', seed, 0, Number.MAX_SAFE_INTEGER);
  check('size', size, 32, 2048);
  check('classIndex', classIndex, 0, SCENE_CLASSES.length - 1);
  check('instances', instances, 1, 4);
}

interface PlannedObject {
  readonly classIndex: number;
  /** In the picture's unit, its side. */
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  readonly isOccluded: boolean;
}

interface Plan {
  readonly classIndex: number;
  readonly objects: readonly PlannedObject[];
  /** Where the light on the objects comes from, in turns. */
  readonly light: number;
}

/** Which objects there are and where. */
function planScene(seed: number, options: SceneOptions): Plan {
  const random = new Random(seed, STREAM.plan);
  const seedsClass = random.integer(0, SCENE_CLASSES.length - 1);
  const seedsCount = random.pick([1, 1, 1, 1, 2, 2, 3, 3, 4]);
  const seedsSecond = random.chance(1 / 3);
  const { classIndex = seedsClass, instances: count = seedsCount, secondClass = seedsSecond } = options;
  const light = random.between(0.55, 0.95);

  const objects: PlannedObject[] = [];
  const place = (ofClass: number, diameter: number) => {
    const spot = freeSpot(random, objects, diameter / 2);
    objects.push({ classIndex: ofClass, ...spot, isOccluded: random.chance(0.3) });
  };
  const smallest = secondClass ? SMALLEST / SECOND_TO_MAIN : SMALLEST;
  const largest = LARGEST / (1 + 0.2 * (count - 1) + (secondClass ? 0.1 : 0));
  const diameters = Array.from({ length: count }, () => random.between(smallest, largest)).sort((a, b) => b - a);
  for (const diameter of diameters) place(classIndex, diameter);
  if (secondClass) {
    const other = (classIndex + random.integer(1, SCENE_CLASSES.length - 1)) % SCENE_CLASSES.length;
    const others = random.integer(1, Math.min(2, count));
    const mainRadius = objects[objects.length - 1]!.radius;
    for (let i = 0; i < others; i++) {
      place(other, random.between(SMALLEST, Math.max(SMALLEST, SECOND_TO_MAIN * 2 * mainRadius)));
    }
  }
  return { classIndex, objects, light };
}

/** A place where an object overlaps no other by much; the emptiest of several where there is none. */
function freeSpot(
  random: Random,
  placed: readonly PlannedObject[],
  radius: number,
): Pick<PlannedObject, 'x' | 'y' | 'radius'> {
  const TRIES = 60;
  const NEARNESS = 0.9;
  let best = { x: 0.5, y: 0.5, gap: -Infinity };
  for (let i = 0; i < TRIES && best.gap < 0; i++) {
    const [x, y] = [random.between(radius, 1 - radius), random.between(radius, 1 - radius)];
    let gap = Infinity;
    for (const other of placed) {
      const [dx, dy] = [x - other.x, y - other.y];
      gap = Math.min(gap, Math.sqrt(dx * dx + dy * dy) - NEARNESS * (radius + other.radius));
    }
    if (gap > best.gap) best = { x, y, gap };
  }
  return { x: best.x, y: best.y, radius };
}

/** A layer of what hides objects, and is none. */
const OCCLUDER_LAYER = 255;

function paintObject(raster: Raster, object: PlannedObject, layer: number, random: Random, light: number): void {
  const { x, y, radius } = object;
  const { make, lean } = SHAPES[SCENE_CLASSES[object.classIndex]];
  const shape = make(random);
  const isMirrored = random.chance(0.5);
  const turn = direction(random.between(-lean, lean));
  const distance = placed(shape.outline, radius, turn, isMirrored);
  castShadow(raster, object, distance, random, light);
  raster.lay(
    { x, y, reach: radius, distance, layer },
    objectPaint(raster, object, shape, random, light, turn, isMirrored),
  );
  if (object.isOccluded) occlude(raster, random, x, y, radius, OCCLUDER_LAYER);
}

/** A shape's distance in the picture's unit, relative to the object's centre. */
function placed(
  distance: Shape['outline'],
  radius: number,
  turn: readonly [number, number],
  isMirrored: boolean,
): Shape['outline'] {
  const mirror = isMirrored ? -1 : 1;
  return rotated(turn, (x, y) => radius * distance((mirror * x) / radius, y / radius));
}

function castShadow(
  raster: Raster,
  { x, y, radius }: PlannedObject,
  distance: Shape['outline'],
  random: Random,
  light: number,
): void {
  const opacity = random.between(0, 0.55);
  const length = random.between(0.03, 0.14) * radius;
  const softness = random.between(0.05, 0.25) * radius;
  const [lx, ly] = direction(light);
  const shadow = { x: x - length * lx, y: y - length * ly, reach: radius + softness, distance, opacity, softness };
  raster.lay(shadow, (colour) => {
    colour[0] = 12;
    colour[1] = 12;
    colour[2] = 20;
  });
}

/** Two tones in a pattern, an accent, an outline or none, and edges that catch the light. */
function objectPaint(
  raster: Raster,
  { x: cx, y: cy, radius }: PlannedObject,
  shape: Shape,
  random: Random,
  light: number,
  turn: readonly [number, number],
  isMirrored: boolean,
): Parameters<Raster['lay']>[1] {
  const ground = raster.meanColour(cx, cy, radius);
  const base = standingOut(random, ground);
  const tone = mixed(base, randomColour(random), random.between(0.1, 0.3));
  const pattern = random.chance(0.75) ? randomPattern(random, radius * random.between(0.15, 0.45)) : () => 0;
  const accentColour = mixed(base, randomColour(random), 0.7);
  const accent = shape.accent && placed(shape.accent, radius, turn, isMirrored);
  const outlineWidth = random.chance(0.4) ? Math.max(1, radius * raster.size * random.between(0.04, 0.09)) : 0;
  const outline = mixed(base, random.chance(0.7) ? [0, 0, 0] : [255, 255, 255], 0.65);
  const relief = random.between(0, 0.5);
  const bevel = 1 / (radius * random.between(0.08, 0.25));
  const distance = placed(shape.outline, radius, turn, isMirrored);
  const [lx, ly] = direction(light);
  const step = 0.5 / raster.size;
  return (colour, x, y, depth) => {
    const share = pattern(x, y);
    const isAccent = accent !== undefined && accent(x, y) < 0;
    const isOutline = depth > -outlineWidth && outlineWidth > 0;
    let shade = 1;
    const here = depth / raster.size;
    const slope = 1 + here * bevel;
    if (slope > 0) {
      const facing = ((distance(x + step, y) - here) * lx + (distance(x, y + step) - here) * ly) / step;
      shade += relief * Math.min(slope, 1) * facing;
    }
    for (let c = 0; c < 3; c++) {
      const body = base[c]! + share * (tone[c]! - base[c]!);
      colour[c] = shade * (isOutline ? outline[c]! : isAccent ? accentColour[c]! : body);
    }
  };
}

/** A colour that can be told from the ground. */
function standingOut(random: Random, ground: Colour): Colour {
  const ENOUGH = 70;
  let best = randomColour(random);
  for (let i = 0; i < 12 && contrast(best, ground) < ENOUGH; i++) {
    const candidate = randomColour(random);
    if (contrast(candidate, ground) > contrast(best, ground)) best = candidate;
  }
  return best;
}

function instanceOf({ size, owner }: Raster, classIndex: number, layer: number): SceneInstance {
  const mask = new Uint8Array(size * size);
  let [left, top, right, bottom] = [size, size, 0, 0];
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      if (owner[row * size + column] !== layer) continue;
      mask[row * size + column] = 1;
      if (column < left) left = column;
      if (column >= right) right = column + 1;
      if (row < top) top = row;
      bottom = row + 1;
    }
  }
  return { classIndex, mask, box: { left, top, width: right - left, height: bottom - top } };
}
