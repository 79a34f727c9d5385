/**
 * The assertions of the GPU tests. They need no test framework, so that the same files run in Node, in a browser and
 * in Deno, and a failure shows where the numbers part.
 */

export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** For small values: numbers, strings, short lists. */
export function assertEqual(actual: unknown, expected: unknown, what = 'value'): void {
  const [found, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  assert(found === wanted, `${what}: expected ${wanted}, found ${found}`);
}

/** Returns the error, for a closer look. */
export async function assertRejects(
  work: () => Promise<unknown>,
  errorClass: new (...args: never[]) => Error,
  message: RegExp,
): Promise<Error> {
  try {
    await work();
  } catch (error) {
    assert(
      error instanceof errorClass && message.test(error.message),
      `expected ${errorClass.name} matching ${message}, but this was thrown: ${error}`,
    );
    return error;
  }
  throw new AssertionError(`expected ${errorClass.name} matching ${message}, but nothing was thrown`);
}

export interface CloseOptions {
  /** What is compared, for the message. */
  readonly what?: string;
  /** Of the tensor, so that the message can say [n, c, y, x] instead of a flat index. */
  readonly shape?: readonly number[];
  /** How many products each element sums up; the tolerance grows with its square root. Default 1. */
  readonly terms?: number;
  /** Allowed difference relative to `scale`, for sums of one term. Default 8 units in the last place of float32. */
  readonly tolerance?: number;
  /**
   * The size that differences are relative to. Default: the largest finite |expected|. Give it where the expected
   * values come out of cancellation, so that their own size says nothing about the size of what was summed.
   */
  readonly scale?: number;
}

/** The gap between 1 and the next float32. */
export const FLOAT32_EPSILON = 2 ** -23;

/**
 * Every |actual − expected| ≤ tolerance · √terms · scale. NaN and infinities must be at the same places, of the same
 * sign, and the lengths must be equal.
 */
export function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, options: CloseOptions = {}): void {
  const { terms = 1, tolerance = 8 * FLOAT32_EPSILON, scale = largestFinite(expected) } = options;
  assertComparable(actual, expected, options);
  const allowed = tolerance * Math.sqrt(terms) * scale;
  assertNone(actual, expected, (a, e) => !isClose(a, e, allowed), `differences up to ${allowed} are allowed`, options);
}

/** The same float32 numbers, bit by bit; two NaN are the same, 0 and −0 are not. */
export function assertSameBits(
  actual: Float32Array,
  expected: Float32Array,
  options: Pick<CloseOptions, 'what' | 'shape'> = {},
): void {
  assertComparable(actual, expected, options);
  assertNone(actual, expected, (a, e) => !Object.is(a, e), 'every bit must be the same', options);
}

/**
 * ⟨A x, y⟩ = ⟨x, Aᵀ y⟩, which holds for every x and y only if the gradient is that of the forward pass.
 *
 * @param terms the longer of the two sums within A and Aᵀ
 */
export function assertAdjoint(
  { x, y, Ax, Aty }: Record<'x' | 'y' | 'Ax' | 'Aty', ArrayLike<number>>,
  { what = 'adjoint', terms = 1, tolerance = 8 * FLOAT32_EPSILON }: Omit<CloseOptions, 'shape' | 'scale'> = {},
): void {
  const forward = dot(Ax, y);
  const backward = dot(x, Aty);
  // The elements' rounding errors are independent: over a dot product they add up like a random walk.
  const size = Math.max((norm(Ax) * norm(y)) / Math.sqrt(y.length), (norm(x) * norm(Aty)) / Math.sqrt(x.length));
  const allowed = tolerance * Math.sqrt(terms) * size;
  assert(
    isClose(forward, backward, allowed),
    `${what}: ⟨Ax, y⟩ = ${forward} but ⟨x, Aᵀy⟩ = ${backward}; differences up to ${allowed} are allowed`,
  );
}

/** ⟨a, b⟩ in float64. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert(a.length === b.length, `a dot product of ${a.length} with ${b.length} elements`);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function norm(a: ArrayLike<number>): number {
  return Math.sqrt(dot(a, a));
}

function largestFinite(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) largest = Math.max(largest, Math.abs(values[i]!));
  }
  return largest;
}

function isClose(actual: number, expected: number, allowed: number): boolean {
  if (Number.isFinite(actual) && Number.isFinite(expected)) return Math.abs(actual - expected) <= allowed;
  return Object.is(actual, expected);
}

function assertComparable(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { what = 'values', shape }: Pick<CloseOptions, 'what' | 'shape'>,
): void {
  assert(
    actual.length === expected.length,
    `${what}: expected ${expected.length} elements, found ${actual.length} elements`,
  );
  if (shape === undefined) return;
  const count = shape.reduce((product, size) => product * size, 1);
  assert(count === expected.length, `${what}: shape [${shape}] has ${count} elements, not ${expected.length}`);
}

/** Fails with a table around the first element that is wrong. */
function assertNone(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  isWrong: (actual: number, expected: number) => boolean,
  rule: string,
  { what = 'values', shape = [expected.length] }: Pick<CloseOptions, 'what' | 'shape'>,
): void {
  let first = -1;
  let wrong = 0;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    if (!isWrong(actual[i]!, expected[i]!)) continue;
    if (first < 0) first = i;
    wrong++;
    worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!));
  }
  if (first < 0) return;
  const rows = [['', 'index', 'actual', 'expected', 'difference']];
  for (let i = Math.max(0, first - 3); i < Math.min(expected.length, first + 9); i++) {
    rows.push([
      isWrong(actual[i]!, expected[i]!) ? '→' : '',
      `[${unflatten(i, shape).join(', ')}]`,
      String(actual[i]),
      String(expected[i]),
      String(actual[i]! - expected[i]!),
    ]);
  }
  throw new AssertionError(
    `${what}: ${wrong} of ${expected.length} elements are wrong, first at [${unflatten(first, shape).join(', ')}], ` +
      `worst difference ${worst}; ${rule}\n${alignColumns(rows)}`,
  );
}

function unflatten(flatIndex: number, shape: readonly number[]): number[] {
  let rest = flatIndex;
  const index: number[] = [];
  for (const size of [...shape].reverse()) {
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return index;
}

function alignColumns(rows: readonly string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
