/** What the state asks to see: one map, or several side by side, each with the options that make it. */
import { METHOD_TABLE, type MethodName, type SelectionOptions } from 'gradcam-webgpu';
import type { EngineOptions } from 'gradcam-webgpu/element';
import { className } from './predictions.ts';
import { presetsNoise, type State, showsSelection, takesContrast, takesLayer, takesNoise } from './state.ts';

export interface PaneWanted {
  readonly options: EngineOptions;
  /** Of a pane among several: what sets it apart, and what it takes to see it alone. */
  readonly title?: string;
  readonly choice?: Partial<State>;
}

/** Those that the paper compares. */
const COMPARED: readonly MethodName[] = ['grad-cam', 'grad-cam++', 'smooth-grad-cam++'];
/** Where the visitor has chosen none: a comparison without noise would show Grad-CAM++ twice. */
const COMPARED_SAMPLES = 8;

/** @param labels names of the model's classes, if it has any */
export function panesOf(state: State, labels: readonly string[] | undefined): PaneWanted[] {
  switch (state.view) {
    case 'one':
      return [{ options: optionsOf(state) }];
    case 'methods':
      return COMPARED.map((method) => {
        const { isSmooth, title } = METHOD_TABLE[method];
        const nSamples = isSmooth ? state.nSamples || COMPARED_SAMPLES : 0;
        return {
          title,
          options: optionsOf({ ...state, preset: undefined, method, nSamples }),
          choice: { method, preset: undefined, view: 'one' },
        };
      });
    case 'classes':
      return classPanes(state, labels);
  }
}

/** Each class by itself and, where the method can tell, what speaks for the first rather than the second. */
function classPanes(state: State, labels: readonly string[] | undefined): PaneWanted[] {
  const { classIndex, otherClass } = state;
  const nameOf = (index: number | undefined) =>
    index === undefined ? 'Most probable' : className({ classIndex: index, label: labels?.[index] });
  const panes: PaneWanted[] = [classIndex, otherClass].map((each) => ({
    title: nameOf(each),
    options: optionsOf({ ...state, classIndex: each }),
    choice: { classIndex: each, view: 'one' },
  }));
  const areTwo = classIndex !== undefined && otherClass !== undefined && classIndex !== otherClass;
  if (takesContrast(state) && areTwo) {
    const title = `${nameOf(classIndex)} rather than ${nameOf(otherClass)}`;
    panes.push({ title, options: { ...optionsOf(state), contrast: otherClass } });
  }
  return panes;
}

/** What explain() is asked for; settings that the method has no use for are left out, since it would refuse some. */
function optionsOf(state: State): EngineOptions {
  const { preset, method, score, nSamples, stdDev, noiseScale, seed, steps, baseline, classIndex, fit, batch } = state;
  const isNoisy = takesNoise(state) && nSamples > 0;
  return {
    ...(preset === undefined ? { method, score, ...conventionsOf(state) } : { preset }),
    ...(presetsNoise(preset) ? {} : { stdDev, noiseScale }),
    nSamples: isNoisy ? nSamples : 0,
    seed,
    steps,
    baseline,
    classIndex,
    fit,
    batch,
    layerName: takesLayer(method) ? state.layerName : undefined,
    sampleWeights: score === 'exp' ? state.sampleWeights : undefined,
  };
}

function conventionsOf(state: State): EngineOptions {
  const { alphaNumerator, alphaDenominator, alphaEpsilon, alphaGuard, alphaNormalization, alphaGradient } = state;
  const alpha = { alphaNumerator, alphaDenominator, alphaEpsilon, alphaGuard, alphaNormalization, alphaGradient };
  const { place, weights } = METHOD_TABLE[state.method];
  return {
    ...(weights === 'alpha' ? alpha : {}),
    ...(place === 'layer' ? { activations: state.activations } : {}),
  };
}

/** The feature maps and cells that are chosen; undefined where all are, or there are none to choose from. */
export function selectionOf(state: State): SelectionOptions | undefined {
  const { filters, cells } = state;
  if (!showsSelection(state) || (filters.length === 0 && !cells)) return undefined;
  const chosen = filters.length > 0 ? { filters, combineFilters: 'sum' as const } : {};
  if (!cells) return chosen;
  return cells.kind === 'box' ? { ...chosen, region: true, subset: cells.corners } : { ...chosen, subset: cells.cells };
}
