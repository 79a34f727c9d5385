/** The oracle's only data structure: float64 values with a shape, row-major, so that index arithmetic can be read off. */

export interface Tensor {
  readonly shape: readonly number[];
  /** Row-major: the last axis is contiguous. */
  readonly data: Float64Array;
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** A tensor with a copy of `values`, or filled with zeros. */
export function tensor(shape: readonly number[], values?: ArrayLike<number>): Tensor {
  const count = elementCount(shape);
  if (values === undefined) return { shape: [...shape], data: new Float64Array(count) };
  if (values.length !== count) {
    throw new RangeError(`a tensor of shape [${shape}] has ${count} elements, but ${values.length} values were given`);
  }
  return { shape: [...shape], data: Float64Array.from(values) };
}

/** The same values under another shape of as many elements. */
export function reshape(t: Tensor, shape: readonly number[]): Tensor {
  return tensor(shape, t.data);
}

/** Entry `index` of the first axis, such as one sample of a batch: [N, …] → […]. */
export function slice(t: Tensor, index: number): Tensor {
  const [count, ...rest] = t.shape;
  if (count === undefined || !(index >= 0 && index < count)) {
    throw new RangeError(`index ${index} is outside the first axis of shape [${t.shape}]`);
  }
  const size = elementCount(rest);
  return tensor(rest, t.data.subarray(index * size, (index + 1) * size));
}

/** Tensors of one shape, put side by side along a new first axis: N × […] → [N, …]. */
export function stack(tensors: readonly Tensor[]): Tensor {
  const first = tensors[0];
  if (first === undefined) throw new RangeError('there is nothing to stack');
  const result = tensor([tensors.length, ...first.shape]);
  tensors.forEach((t, index) => {
    expectShape('a stacked tensor', t, first.shape);
    result.data.set(t.data, index * first.data.length);
  });
  return result;
}

/** The shape as [N, C, H, W], or an error that says what came instead. */
export function shapeNchw(what: string, t: Tensor): [samples: number, channels: number, height: number, width: number] {
  if (t.shape.length !== 4) throw new RangeError(`${what} must be [N, C, H, W], not [${t.shape}]`);
  return t.shape as unknown as [number, number, number, number];
}

/** Throws unless the tensor has exactly this shape. */
export function expectShape(what: string, t: Tensor, shape: readonly number[]): void {
  if (t.shape.length !== shape.length || t.shape.some((size, axis) => size !== shape[axis])) {
    throw new RangeError(`${what} must have the shape [${shape}], not [${t.shape}]`);
  }
}
