/** What the results of a call keep on the GPU, for combine() and topFilters(). */
import { KeptMaps, keptBytes, LastingBuffers } from './cam/kept-maps.ts';
import type { Gpu } from './gpu/gpu.ts';
import type { Job, LastingParts } from './job.ts';
import type { Model } from './model.ts';
import type { ResolvedOptions } from './options.ts';

/** A result's part of the buffers that may outlive the call. */
export type LastingPart = LastingParts & { release(): void };

/** @param targets of each result; those at the same layer share its feature maps */
export function lastingParts(gpu: Gpu, targets: readonly string[]): LastingPart[] {
  const resultsAt = (name: string, until = targets.length) => targets.slice(0, until).filter((other) => other === name);
  const buffers = new Map(targets.map((name) => [name, new LastingBuffers(gpu, resultsAt(name).length)]));
  return targets.map((name, i) => {
    const ofLayer = buffers.get(name) as LastingBuffers;
    const c = resultsAt(name, i).length;
    return { activations: ofLayer.shared, weights: ofLayer.ofClass[c], release: () => ofLayer.release(c) };
  });
}

/** Bytes that a result keeps at a layer. */
export function bytesToKeep(model: Model, layer: string, { method }: ResolvedOptions): number {
  const [maps, height, width] = model.graph.shape(layer);
  return keptBytes({ maps, height, width }, method);
}

/** What each result keeps on the GPU: at the input there are no feature maps to choose from later on. */
export function keptMaps(gpu: Gpu, jobs: readonly Job[], samples: number, lasting: readonly LastingPart[]): KeptMaps[] {
  if (jobs[0].selection) {
    return jobs.map(
      ({ target, weighted }, i) =>
        new KeptMaps(gpu, target, { ...weighted, samples: Math.max(1, samples) }, lasting[i].release),
    );
  }
  for (const part of lasting) part.release();
  return [];
}
