/** What the page shows is a function of this state; what is in it can be linked to, but for pictures and files. */
import {
  type Cell,
  type ColorMapName,
  type Conventions,
  DEFAULT_OPTIONS,
  type Fit,
  type KnownModel,
  METHOD_TABLE,
  type MethodName,
  MODELS,
  type ModelName,
  PRESET_TABLE,
  type PresetName,
  SCORE_TABLE,
  type ScoreName,
} from 'gradcam-webgpu';
import type { LayerRecord } from 'gradcam-webgpu/element';

export type PictureChoice =
  | { readonly kind: 'scene'; readonly seed: number }
  /** The visitor's own: its pixels are in the session and nowhere else. */
  | { readonly kind: 'own'; readonly name: string };

/** Where the weights come from: the page's own file, an address, or files that the visitor handed over. */
export type WeightsChoice =
  | { readonly kind: 'built-in' }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'files'; readonly name: string };

/** Cells of the layer's maps: a box with both corners included, or single ones; undefined is all of them. */
export type CellChoice =
  | { readonly kind: 'box'; readonly corners: readonly [Cell, Cell] }
  | { readonly kind: 'cells'; readonly cells: readonly Cell[] };

export const VIEWS = ['one', 'methods', 'classes'] as const;
/** One map; the methods that the paper compares, side by side; or two classes. */
export type View = (typeof VIEWS)[number];

export interface State extends Conventions {
  readonly picture: PictureChoice;
  readonly model: ModelName;
  readonly weights: WeightsChoice;
  readonly fit: Fit;

  /** The arithmetic of another program, which decides the method, the score and the conventions. */
  readonly preset: PresetName | undefined;
  readonly method: MethodName;
  /** Undefined: the last convolution. */
  readonly layerName: string | undefined;
  /** Undefined: the most probable class. */
  readonly classIndex: number | undefined;
  /** The class to compare with, in the view 'classes'. */
  readonly otherClass: number | undefined;
  readonly nSamples: number;
  readonly stdDev: number;
  readonly noiseScale: 'relative' | 'absolute';
  readonly seed: number;
  readonly steps: number;
  readonly baseline: 'black' | 'mean';
  readonly score: ScoreName;
  readonly sampleWeights: 'uniform' | 'score';
  /** Upper bound on samples per dispatch, for GPUs with little memory; changes no bit of the map. */
  readonly batch: number | undefined;

  /** Feature maps whose sum is shown; none is all of them. */
  readonly filters: readonly number[];
  readonly cells: CellChoice | undefined;

  readonly view: View;
  readonly opacity: number;
  readonly colorMap: ColorMapName;
  readonly showsBoxes: boolean;
  readonly threshold: number;
}

/** The one whose weights come with the page. */
const BUILT_IN_MODEL = 'vgg16-scenes' satisfies ModelName;

export function isBuiltIn(model: ModelName): boolean {
  return model === BUILT_IN_MODEL;
}

/** Where a model's weights usually come from; an empty address where nobody publishes them. */
export function usualWeights(name: ModelName): WeightsChoice {
  if (isBuiltIn(name)) return { kind: 'built-in' };
  return { kind: 'url', url: knownModel(name).sources[0]?.url ?? '' };
}

export function knownModel(name: ModelName): KnownModel {
  return MODELS.find((model) => model.name === name)!;
}

/** The scene that the page opens with. */
const FIRST_SCENE = 15;

export const INITIAL_STATE: State = {
  picture: { kind: 'scene', seed: FIRST_SCENE },
  model: BUILT_IN_MODEL,
  weights: usualWeights(BUILT_IN_MODEL),
  fit: DEFAULT_OPTIONS.fit,
  preset: undefined,
  method: 'smooth-grad-cam++',
  layerName: undefined,
  classIndex: undefined,
  otherClass: undefined,
  // Few, so that the first map is there at once also where there is no GPU.
  nSamples: 4,
  stdDev: 0.3,
  noiseScale: DEFAULT_OPTIONS.noiseScale,
  seed: DEFAULT_OPTIONS.seed,
  steps: DEFAULT_OPTIONS.steps,
  baseline: DEFAULT_OPTIONS.baseline,
  score: DEFAULT_OPTIONS.score,
  sampleWeights: DEFAULT_OPTIONS.sampleWeights,
  ...conventions(),
  batch: undefined,
  filters: [],
  cells: undefined,
  view: 'one',
  opacity: 0.6,
  colorMap: 'inferno',
  showsBoxes: false,
  threshold: 0.3,
};

/** Those of the papers: what is not decided otherwise. */
function conventions(): Conventions {
  const { alphaNumerator, alphaDenominator, alphaEpsilon, alphaGuard, alphaNormalization, alphaGradient, activations } =
    DEFAULT_OPTIONS;
  return { alphaNumerator, alphaDenominator, alphaEpsilon, alphaGuard, alphaNormalization, alphaGradient, activations };
}

/** What a map depends on, besides picture and model: a change of any of them needs a new explanation. */
export const JOB_KEYS = [
  'fit',
  'preset',
  'method',
  'layerName',
  'classIndex',
  'nSamples',
  'stdDev',
  'noiseScale',
  'seed',
  'steps',
  'baseline',
  'score',
  'sampleWeights',
  'alphaNumerator',
  'alphaDenominator',
  'alphaEpsilon',
  'alphaGuard',
  'alphaNormalization',
  'alphaGradient',
  'activations',
  'batch',
] as const satisfies readonly (keyof State)[];

/** Whether noisy copies are anything to the method: there is a gradient that they smooth, or maps that they average. */
export function takesNoise({ method, activations }: Pick<State, 'method' | 'activations'>): boolean {
  const row = METHOD_TABLE[method];
  if (row.masks || takesSteps(method)) return false;
  return row.needsGradient || activations !== 'clean';
}

/** Whether the method averages over points of a path. */
export function takesSteps(method: MethodName): boolean {
  const row = METHOD_TABLE[method];
  return row.place === 'input' && row.factor === 'path';
}

/** Whether the method has feature maps to choose from. */
export function takesSelection(method: MethodName): boolean {
  return METHOD_TABLE[method].place === 'layer';
}

/** Whether any of what the state asks to see has feature maps to choose from. */
export function showsSelection({ method, view }: State): boolean {
  return view === 'methods' || takesSelection(method);
}

/** By any of its names, as a link may have torchvision's; undefined where the network has none of that name. */
export function layerIn<Layer extends Pick<LayerRecord, 'name' | 'aliases'>>(
  { layers, defaultLayer }: { readonly layers: readonly Layer[]; readonly defaultLayer: string },
  { layerName }: Pick<State, 'layerName'>,
): Layer | undefined {
  const wanted = layerName ?? defaultLayer;
  return layers.find(({ name, aliases }) => name === wanted || aliases.includes(wanted));
}

/** Whether a layer is part of the question. */
export function takesLayer(method: MethodName): boolean {
  const row = METHOD_TABLE[method];
  return row.place === 'layer' || row.factor === 'grad-cam';
}

/** Whether the method can set one class against another: it takes the gradient of a score that is a function of one logit. */
export function takesContrast({ method, score }: Pick<State, 'method' | 'score'>): boolean {
  const row = METHOD_TABLE[method];
  const isOfScore = row.needsGradient && (row.place === 'layer' || row.rule === 'gradient');
  return isOfScore && SCORE_TABLE[score].of === 'logit';
}

/** Whether the preset's program has a noise of its own. */
export function presetsNoise(preset: PresetName | undefined): boolean {
  return preset !== undefined && PRESET_TABLE[preset].options.stdDev !== undefined;
}

type Listener = (state: State, changed: ReadonlySet<keyof State>) => void;

/** The state, and those who want to know of its changes, in the order in which they asked. */
export class Store {
  #state: State;
  readonly #listeners: Listener[] = [];

  constructor(state: State) {
    this.#state = state;
  }

  get state(): State {
    return this.#state;
  }

  update(patch: Partial<State>): void {
    const before = this.#state;
    const keys = (Object.keys(patch) as (keyof State)[]).filter(
      (key) => JSON.stringify(patch[key]) !== JSON.stringify(before[key]),
    );
    if (keys.length === 0) return;
    this.#state = { ...before, ...patch };
    const changed = new Set(keys);
    for (const listener of this.#listeners) listener(this.#state, changed);
  }

  subscribe(listener: Listener): void {
    this.#listeners.push(listener);
  }
}
