/** Methods of the caller's own, made of the same parts as those of the table. */
import { type LayerMethodRow, METHOD_ROWS, type MethodName, type MethodRow } from './methods.ts';
import type { TracedLayer } from './traced.ts';

/**
 * Makes W_k, a weight for each of the layer's maps, from their parts on the GPU or read back. The buffers are there until it
 * returns.
 */
export type WeightsFunction = (layer: TracedLayer) => Float32Array | Promise<Float32Array>;

interface MethodTexts {
  /** What files and records call it: letters, digits, '-', '+', '_', a letter first; none of METHODS. */
  readonly name: string;
  /** For people. Default: the name. */
  readonly title?: string;
  /** The map in terms of A and g. Default: made of the expression. */
  readonly equation?: string;
  /** Where it comes from. */
  readonly source?: string;
}

/**
 * A method by one WGSL expression, or by a function.
 *
 * An expression is evaluated in float32 at each cell of each feature map k and names, as f32: `a`, the feature map there;
 * `d1`, `d2` and `d3`, the score's first three derivatives there, averaged over the noisy copies: of the usual score, exp, the
 * gradient of the class's logit, its square and its cube;
 * `sum_a`, Σ A_k over the map; `cells`, how many cells a map has. WGSL's functions may be called: `max(d1, 0.0)`,
 * `select(0.0, d2 / (2.0 * d2 + sum_a * d3), d2 > 0.0)`.
 */
export type MethodDefinition = MethodTexts &
  (
    | {
        /** L = ReLU(Σ_k W_k A_k): W_k is the expression's sum over the cells of map k, or made by the function. */
        readonly weights: string | WeightsFunction;
        /** None beside `weights`. */
        readonly map?: undefined;
      }
    | {
        /** L = ReLU(Σ_k w_k ⊙ A_k): the expression is w_k in each cell. */
        readonly map: string;
        /** None beside `map`. */
        readonly weights?: undefined;
      }
  );

/** A method that defineMethod() made: what the option `method` takes besides a name. */
export type CustomMethod = Required<MethodTexts> & MethodDefinition;

/** A method of the table by its name, or one of the caller's. */
export type AnyMethod = MethodName | CustomMethod;

/** What tells a method from others: its row of the table, or what stands for one. */
export function methodOf(method: AnyMethod): MethodRow {
  return typeof method === 'string' ? METHOD_ROWS[method] : rowOf(method);
}

/** What files and messages call it. */
export function methodName(method: AnyMethod): string {
  return typeof method === 'string' ? method : method.name;
}

function rowOf({ title, weights, map }: CustomMethod): LayerMethodRow {
  const expression = typeof weights === 'function' ? undefined : (weights ?? map);
  return {
    title,
    place: 'layer',
    weights: map !== undefined ? 'cell-expression' : expression === undefined ? 'function' : 'expression',
    expression,
    needsGradient: expression === undefined || /\bd[123]\b/.test(expression),
    isSmooth: false,
  };
}
