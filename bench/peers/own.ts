/** This library, called as its users call it. */
import { defineMethod } from '../../src/define-method.ts';
import { explain } from '../../src/explain.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { Model } from '../../src/model.ts';
import { Parameters } from '../../src/network/parameters.ts';
import type { ExplainOptions } from '../../src/options.ts';
import { type Explainer, type Formula, PICTURE, type Problem, problemWeights } from '../problem.ts';

const WITHOUT_POLE = defineMethod({
  name: 'without-pole',
  weights: 'select(0.0, d2 / (2.0 * d2 + abs(sum_a * d3)) * max(d1, 0.0), d2 > 0.0)',
});

export class OwnExplainer implements Explainer {
  readonly model: Model;
  readonly #problem: Problem;

  private constructor(model: Model, problem: Problem) {
    this.model = model;
    this.#problem = problem;
  }

  static async create(gpu: Gpu, problem: Problem): Promise<OwnExplainer> {
    const { table, graph } = problem;
    const weights = await problemWeights(problem);
    const parameters = await Parameters.load(gpu, graph, weights);
    return new OwnExplainer(new Model(gpu, table, graph, parameters, weights, undefined), problem);
  }

  explain(samples = this.#problem.samples, formula: Formula = 'smooth-grad-cam++'): Promise<Float32Array> {
    return this.explainWith({ nSamples: samples, method: formula === 'without-pole' ? WITHOUT_POLE : formula });
  }

  /** @param options in place of the problem's own */
  async explainWith(options: ExplainOptions): Promise<Float32Array> {
    const { layer: layerName, samples: nSamples, stdDev, noiseSeed: seed, classIndex } = this.#problem;
    const result = await explain(this.model, PICTURE, { layerName, nSamples, stdDev, seed, classIndex, ...options });
    return result.map.data;
  }

  /** Maps of several classes from one call. */
  async explainClasses(samples: number, classIndex: readonly number[]): Promise<Float32Array[]> {
    const { layer: layerName, stdDev, noiseSeed: seed } = this.#problem;
    const results = await explain(this.model, PICTURE, { layerName, nSamples: samples, stdDev, seed, classIndex });
    return results.map(({ map }) => map.data);
  }

  dispose(): void {
    this.model.dispose();
  }
}
