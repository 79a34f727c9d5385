/** The heat map drawn over the picture. */
import bilinearLib from '../../shaders/lib/bilinear.wgsl?raw';
import overlaySource from '../../shaders/ops/overlay.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { elementwise, source } from './common.ts';

const OVERLAY = source('overlay', overlaySource, { libs: [bilinearLib] });

export interface OverlayShape {
  /** Of the picture, in pixels. */
  readonly width: number;
  /** Rows of the picture in this band, and where it begins. */
  readonly rows: number;
  readonly firstRow: number;
  readonly mapHeight: number;
  readonly mapWidth: number;
  /** Which of the maps to draw. */
  readonly mapIndex: number;
  /** The rectangle of the picture that the map covers, in pixels; may reach beyond the picture. */
  readonly view: { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
  /** Map values of the first and the last colour; high > low. */
  readonly low: number;
  readonly high: number;
  /** 0 … 1, share of the heat map's colour. */
  readonly opacity: number;
}

/** `result` [rows, width] from `picture` [rows, width], RGBA words both; `colors` holds 256 RGBA words. */
export function overlay(
  { view, ...shape }: OverlayShape,
  {
    picture,
    heat,
    colors,
    result,
  }: { picture: BufferSlice; heat: BufferSlice; colors: BufferSlice; result: BufferSlice },
): Dispatch {
  return elementwise(OVERLAY, shape.rows * shape.width, {
    bindings: { picture, heat, colors, result },
    uniforms: {
      width: shape.width,
      rows: shape.rows,
      first_row: shape.firstRow,
      map_height: shape.mapHeight,
      map_width: shape.mapWidth,
      map_index: shape.mapIndex,
      view_left: view.left,
      view_top: view.top,
      view_width: view.width,
      view_height: view.height,
      low: shape.low,
      high: shape.high,
      opacity: shape.opacity,
    },
  });
}
