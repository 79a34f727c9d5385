import type { Gpu } from '../gpu/gpu.ts';
import { loadTexts } from '../gpu/kernel.ts';
import { variantSources } from '../ops/conv2d.variants.ts';
import type { Graph } from './graph.ts';
import { kernelQuestions } from './steps.ts';

/**
 * Begins to load the kernels of the convolutions that an explanation at the last of them takes on this adapter: so that they
 * are there when the weights are.
 */
export function preloadKernels({ limits, traits, tuner }: Gpu, graph: Graph): void {
  // Convolutions are the same in both conventions.
  const request = { graph, convention: 'torch', target: graph.layer().name, samples: 0, limits, traits } as const;
  const variants = new Set(kernelQuestions(request).map((question) => tuner.choose(question)));
  const sources = [...variants].flatMap((variant) => variantSources(variant, traits));
  // One that does not come is told of when it is needed.
  for (const source of sources) loadTexts(source).catch(() => {});
}
