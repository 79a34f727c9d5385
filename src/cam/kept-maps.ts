/**
 * What an explanation leaves on the GPU: the feature maps of the clean picture (or their mean over the noisy copies) and
 * what weights them. combined-maps.ts makes other heat maps of them without the network.
 */

import { type AnyMethod, methodName, methodOf } from '../custom-method.ts';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { Workspace } from '../gpu/workspace.ts';
import type { expressionMap } from '../ops/map.expression.ts';
import { gradientMap, map } from '../ops/map.ts';
import { MOMENT_FLOATS } from '../ops/moments.ts';
import type { ResolvedSelection } from '../options.ts';
import { sumOf } from '../sum.ts';
import { subsetMask } from './subset.ts';

export interface FeatureShape {
  readonly maps: number;
  readonly height: number;
  readonly width: number;
}

/** Which heat maps to make of the feature maps, on the GPU. */
export interface Selection {
  /** Heat maps to make, and filters in each. */
  readonly heatMaps: number;
  readonly filtersPerMap: number;
  readonly filters: BufferSlice;
  readonly subset: BufferSlice;
}

export function uploadSelection(
  { maps, height, width }: FeatureShape,
  { filters, combineFilters, subset, region }: ResolvedSelection,
  workspace: Workspace,
): Selection {
  const chosen = Uint32Array.from(filters ?? Array.from({ length: maps }, (_, k) => k));
  const heatMaps = filters !== undefined && combineFilters === 'each' ? chosen.length : 1;
  return {
    heatMaps,
    filtersPerMap: chosen.length / heatMaps,
    filters: workspace.filled('filters', chosen),
    subset: workspace.filled('subset', subsetMask({ height, width }, subset, region)),
  };
}

/** Feature maps with what weights them: a weight for each map, or the moments of the gradient in each cell. */
export interface WeightedMaps extends FeatureShape {
  readonly method: AnyMethod;
  /** n, how many samples the sums hold. */
  readonly samples: number;
  readonly activations: BufferSlice;
  readonly weights: BufferSlice;
  readonly sums: BufferSlice;
}

/**
 * The method's sum over the selection, before and behind its ReLU: `signed` and `rectified` are [heatMaps, cells].
 *
 * @param byExpression for methods by an expression of a cell
 */
export function heatMapDispatch(
  weighted: WeightedMaps,
  { heatMaps, filtersPerMap, filters, subset }: Selection,
  { signed, rectified }: { signed: BufferSlice; rectified: BufferSlice },
  byExpression?: typeof expressionMap,
): Dispatch {
  const { method, height, width, samples, activations, weights, sums } = weighted;
  const shape = { maps: heatMaps, filtersPerMap, cells: height * width, samples };
  const buffers = { activations, filters, subset, signed, rectified };
  const { weights: kind, expression, needsGradient } = methodOf(method);
  switch (kind) {
    case 'gradient':
      return gradientMap(shape, 'signed', { ...buffers, sums });
    case 'positive-gradient':
      return gradientMap(shape, 'positive', { ...buffers, sums });
    case 'cell-expression': {
      if (!byExpression) throw new Error(`maps of ${methodName(method)} are not loaded`);
      const cell = { name: methodName(method), text: expression as string };
      return byExpression(shape, cell, { ...buffers, mapSums: weights, sums: needsGradient ? sums : undefined });
    }
    default:
      return map(shape, { ...buffers, weights });
  }
}

/** Whether a method's weights are those of cells, which are kept as moments. */
export function weightsCells(method: AnyMethod): boolean {
  const { weights, needsGradient } = methodOf(method);
  return needsGradient && ['gradient', 'positive-gradient', 'cell-expression'].includes(weights as string);
}

/** Where the weighted maps of a call lie, so that they can outlive it: the classes share their feature maps. */
export class LastingBuffers {
  readonly shared: Workspace;
  readonly ofClass: readonly Workspace[];
  /** Classes that still use them. */
  readonly #users: Set<number>;

  constructor(gpu: Gpu, classes: number) {
    this.shared = new Workspace(gpu, 'job');
    this.ofClass = Array.from({ length: classes }, () => new Workspace(gpu, 'job'));
    this.#users = new Set(this.ofClass.keys());
  }

  /** Gives a class's buffers back, the shared ones with the last class's. More than once does no harm. */
  release(classNumber: number): void {
    if (!this.#users.delete(classNumber)) return;
    this.ofClass[classNumber].giveBack();
    if (this.#users.size === 0) this.shared.giveBack();
  }
}

/** The maps of one result on the GPU, until they are released. */
export class KeptMaps {
  readonly bytes: number;
  readonly gpu: Gpu;
  readonly layerName: string;
  readonly weighted: WeightedMaps;
  readonly #giveBack: () => void;
  #isReleased = false;

  /** @param giveBack called when they are released, once */
  constructor(gpu: Gpu, layerName: string, weighted: WeightedMaps, giveBack: () => void) {
    this.gpu = gpu;
    this.layerName = layerName;
    this.weighted = weighted;
    this.#giveBack = giveBack;
    this.bytes = keptBytes(weighted, weighted.method);
  }

  get isReleased(): boolean {
    return this.#isReleased;
  }

  /** Frees the maps. More than once does no harm. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#giveBack();
  }
}

/** Bytes that stay on the GPU with a result of the method. */
export function keptBytes({ maps, height, width }: FeatureShape, method: AnyMethod): number {
  const cells = height * width;
  return 4 * maps * (cells + (weightsCells(method) ? cells * MOMENT_FLOATS : 1));
}

/** Results whose maps are kept although nobody asked: to look into, but so few that a long loop needs no release(). */
export const RECENT_RESULTS = 8;
export const RECENT_BYTES = 32 * 2 ** 20;

/** The maps of the most recent results. */
export class RecentMaps {
  #recent: KeptMaps[] = [];

  /** Releases the oldest, so that others of as many `bytes` each are within the bounds. */
  makeRoom(bytes: readonly number[]): void {
    this.#recent = this.#recent.filter(({ isReleased }) => !isReleased);
    while (this.#recent.length > 0 && !this.#hasRoomFor(bytes)) this.#recent.shift()?.release();
  }

  /** Those of one call. Where they exceed the bounds by themselves, the first of them go at once, but never the last. */
  add(kept: readonly KeptMaps[]): void {
    this.#recent.push(...kept);
    while (this.#recent.length > 1 && !this.#hasRoomFor([])) this.#recent.shift()?.release();
  }

  #hasRoomFor(bytes: readonly number[]): boolean {
    const sizes = [...this.#recent.map((kept) => kept.bytes), ...bytes];
    return sizes.length <= RECENT_RESULTS && sumOf(sizes) <= RECENT_BYTES;
  }

  releaseAll(): void {
    for (const kept of this.#recent.splice(0)) kept.release();
  }
}
