/** From 8-bit pixels to the model's input: antialiased bilinear resize, channel order, scale, mean and deviation. */
import resizeLib from '../../shaders/lib/resize.wgsl?raw';
import horizontalSource from '../../shaders/ops/preprocess.horizontal.wgsl?raw';
import verticalSource from '../../shaders/ops/preprocess.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';

const HORIZONTAL = source('preprocess.horizontal', horizontalSource, { libs: [resizeLib] });
const VERTICAL = source('preprocess', verticalSource, { libs: [resizeLib] });

/** What a model's training did to 8-bit channels v: (v · scale - mean) / std, per channel in the model's own order. */
export interface ChannelScaling {
  /** The order of the channels in the input. */
  readonly channelOrder: 'rgb' | 'bgr';
  /** What the bytes are multiplied by first. */
  readonly scale: number;
  /** What is subtracted then, a value for each channel in the order of the input. */
  readonly mean: readonly [number, number, number];
  /** What the difference is divided by. */
  readonly std: readonly [number, number, number];
}

/** How one axis of the picture is brought to the model's input. */
export interface AxisFit {
  /** Pixels of the picture along the axis. */
  readonly size: number;
  /** Pixels after resizing, before cropping or padding. */
  readonly resized: number;
  /** Position in the resized picture of the input's first cell; negative where the input is padded. */
  readonly origin: number;
  /** Cells of the model's input. */
  readonly input: number;
}

export interface PreprocessShape {
  readonly x: AxisFit;
  readonly y: AxisFit;
}

/** Floats of the intermediate rows [picture height][input width][3]. */
export function preprocessRowFloats({ x, y }: PreprocessShape): number {
  return y.size * x.input * 3;
}

/** Resizes the rows of a band of the picture; `pixels` holds the band only, RGBA words, `rows` the whole picture's rows. */
export function resizeRows(
  { x }: PreprocessShape,
  band: { firstRow: number; rows: number },
  { pixels, rows }: { pixels: BufferSlice; rows: BufferSlice },
): Dispatch {
  const scale = x.size / x.resized;
  return elementwise(HORIZONTAL, band.rows * x.input, {
    bindings: { pixels, rows },
    uniforms: {
      picture_width: x.size,
      band_rows: band.rows,
      band_first_row: band.firstRow,
      width: x.input,
      origin: x.origin,
      resized: x.resized,
      scale,
    },
    flopsEach: 2 * Math.max(1, scale) * MEMORY_FLOPS,
  });
}

/** Resizes the columns of `rows`, then scales: `input` [3, height, width] in the model's channel order. */
export function preprocess(
  { x, y }: PreprocessShape,
  scaling: ChannelScaling,
  { rows, input }: { rows: BufferSlice; input: BufferSlice },
): Dispatch {
  const scale = y.size / y.resized;
  return elementwise(VERTICAL, x.input * y.input, {
    bindings: { rows, y: input },
    uniforms: {
      picture_height: y.size,
      height: y.input,
      width: x.input,
      origin_x: x.origin,
      origin_y: y.origin,
      resized_width: x.resized,
      resized_height: y.resized,
      scale_y: scale,
      reverse: scaling.channelOrder === 'bgr' ? 1 : 0,
      value_scale: scaling.scale,
      mean_0: scaling.mean[0],
      mean_1: scaling.mean[1],
      mean_2: scaling.mean[2],
      std_0: scaling.std[0],
      std_1: scaling.std[1],
      std_2: scaling.std[2],
    },
    flopsEach: 6 * Math.max(1, scale) * MEMORY_FLOPS,
  });
}
