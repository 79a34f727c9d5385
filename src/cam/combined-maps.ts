/** Other heat maps of what an explanation left on the GPU: of a choice of feature maps and cells, without the network. */
import { type AnyMethod, methodOf } from '../custom-method.ts';
import { OptionError, ReleasedError } from '../errors.ts';
import { Workspace } from '../gpu/workspace.ts';
import { expressionMap } from '../ops/map.expression.ts';
import type { SelectionOptions } from '../options.ts';
import { resolveSelection } from '../resolve-options.ts';
import { heatMapDispatch, type KeptMaps, RECENT_BYTES, RECENT_RESULTS, uploadSelection } from './kept-maps.ts';
import { checkFinite, type Outcome, outcomeOf } from './outcome.ts';

type Maps = { readonly data: Float32Array; readonly shape: readonly [maps: number, height: number, width: number] };

/** How much a feature map adds to the heat map. */
export interface FilterContribution {
  /** Index of the feature map. */
  readonly filter: number;
  /** Σ over the cells of its term W_k A_k in the sum before the ReLU; below zero it speaks against the class. */
  readonly contribution: number;
}

/**
 * Heat maps of other feature maps or cells, with the same weights, behind and before their ReLU.
 *
 * @param kept undefined for a method that weights no feature maps
 * @param alpha of the result
 * @throws OptionError, ReleasedError
 */
export async function combine(
  kept: KeptMaps | undefined,
  method: AnyMethod,
  alpha: { zeroCells: number; cells: number },
  options: SelectionOptions = {},
): Promise<{ map: Maps; signed: Maps; outcome: Outcome }> {
  const all = featureMaps(kept, method, 'combine()');
  const { signed, rectified, shape } = await heatMaps(all, options);
  checkFinite(`a map of ${all.layerName}`, signed);
  return { map: { data: rectified, shape }, signed: { data: signed, shape }, outcome: outcomeOf(signed, alpha) };
}

/**
 * The k feature maps that add most to the heat map, the greatest first, equal ones by index.
 *
 * @param kept undefined for a method that weights no feature maps
 * @param within the cells that count; default all
 * @throws OptionError, ReleasedError
 */
export async function topFilters(
  kept: KeptMaps | undefined,
  method: AnyMethod,
  k: number,
  within: Pick<SelectionOptions, 'subset' | 'region'> = {},
): Promise<FilterContribution[]> {
  const all = featureMaps(kept, method, 'topFilters()');
  if (!Number.isInteger(k) || k < 1) throw new OptionError('k', k, 'a whole number above 0');
  const filters = Array.from({ length: all.weighted.maps }, (_, filter) => filter);
  const { signed, shape } = await heatMaps(all, { ...within, filters, combineFilters: 'each' });
  const cells = shape[1] * shape[2];
  return filters
    .map((filter) => {
      let contribution = 0;
      for (const value of signed.subarray(filter * cells, (filter + 1) * cells)) contribution += value;
      return { filter, contribution };
    })
    .sort((a, b) => b.contribution - a.contribution || a.filter - b.filter)
    .slice(0, k);
}

function featureMaps(kept: KeptMaps | undefined, method: AnyMethod, call: string): KeptMaps {
  if (kept) return kept;
  throw new OptionError(
    'method',
    method,
    `one of a layer for ${call}: ${methodOf(method).title} weights no feature maps`,
  );
}

async function heatMaps({ gpu, layerName, weighted, isReleased }: KeptMaps, options: SelectionOptions) {
  if (isReleased) throw released();
  const { maps, height, width } = weighted;
  const selection = resolveSelection(options, { name: layerName, shape: [maps, height, width] }, 'combine()');
  const workspace = new Workspace(gpu, 'display');
  try {
    const [chosen, onGpu] = await gpu.guard(async () => {
      const uploaded = uploadSelection(weighted, selection, workspace);
      const values = uploaded.heatMaps * height * width;
      const buffers = { signed: workspace.floats('signed maps', values), rectified: workspace.floats('maps', values) };
      return [uploaded, buffers] as const;
    });
    await gpu.run([heatMapDispatch(weighted, chosen, onGpu, expressionMap)]);
    const size = chosen.heatMaps * height * width * 4;
    const [signed, rectified] = await workspace.read([
      { ...onGpu.signed, size },
      { ...onGpu.rectified, size },
    ]);
    const shape = [chosen.heatMaps, height, width] as const;
    return { signed: new Float32Array(signed!), rectified: new Float32Array(rectified!), shape };
  } finally {
    workspace.release();
  }
}

function released(): ReleasedError {
  return new ReleasedError(
    `the feature maps of this result are no longer on the GPU: it was released, or newer results needed the room (those ` +
      `of the last ${RECENT_RESULTS} results are kept, up to ${RECENT_BYTES / 2 ** 20} MiB). Explain again with ` +
      'keep: true to hold them until release().',
  );
}
