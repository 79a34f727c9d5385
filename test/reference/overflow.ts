/** Whether a computation has left the range of its numbers. */

/** @returns 1 if a value is infinite or NaN, else 0 */
export function overflow(values: ArrayLike<number>): 0 | 1 {
  // Only of finite numbers is the difference from oneself zero.
  return Array.from(values).every((value) => value - value === 0) ? 0 : 1;
}
