/**
 * The state as the fragment of the page's address, and back. The fragment never leaves the browser. Only what differs from
 * the page's first state is written, so that links stay short and follow the defaults.
 */
import { type Cell, COLOR_MAPS, METHODS, MODELS, PRESETS, SCORES } from 'gradcam-webgpu';
import type { ModelRecord } from 'gradcam-webgpu/element';
import { type CellChoice, INITIAL_STATE, isBuiltIn, layerIn, type State, usualWeights, VIEWS } from './state.ts';

/** How a value is written; reading gives undefined for what it cannot have been. */
interface Codec<Value> {
  write(value: Value): string | undefined;
  read(text: string): Value | undefined;
}

const whole = (least: number, most: number): Codec<number | undefined> => ({
  write: (value) => value?.toString(),
  read: (text) => {
    const value = Number(text);
    return /^\d+$/.test(text) && value >= least && value <= most ? value : undefined;
  },
});

const within = (least: number, most: number): Codec<number> => ({
  write: String,
  read: (text) => {
    const value = Number(text);
    return text.trim() !== '' && value >= least && value <= most ? value : undefined;
  },
});

const oneOf = <Name extends string>(names: readonly Name[]): Codec<Name> => ({
  write: (value) => value,
  read: (text) => names.find((name) => name === text),
});

const name: Codec<string | undefined> = {
  write: (value) => value,
  read: (text) => (/^[\w.-]{1,64}$/.test(text) ? text : undefined),
};

const flag: Codec<boolean> = { write: (value) => (value ? '1' : '0'), read: (text) => text === '1' };

/** A scene by its seed; a picture of the visitor's own is not written. */
const picture: Codec<State['picture']> = {
  write: (choice) => (choice.kind === 'scene' ? `scene-${choice.seed}` : undefined),
  read: (text) => {
    const seed = Number(/^scene-(\d{1,15})$/.exec(text)?.[1] ?? Number.NaN);
    return Number.isSafeInteger(seed) ? { kind: 'scene', seed } : undefined;
  },
};

/** Weights by their address; files of the visitor's own are not written. */
const weights: Codec<State['weights']> = {
  write: (choice) => (choice.kind === 'url' && choice.url !== '' ? choice.url : undefined),
  read: (text) => (isWeightsUrl(text) ? { kind: 'url', url: text } : undefined),
};

/** Addresses that the page's policy lets it fetch from: https, and this machine, for a server of one's own. */
export function isWeightsUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, origin } = new URL(text);
  return protocol === 'https:' || origin === globalThis.location?.origin;
}

const filters: Codec<readonly number[]> = {
  write: (list) => list.join(','),
  read: (text) => (/^\d{1,5}(,\d{1,5})*$/.test(text) ? text.split(',').map(Number) : undefined),
};

/** 'r,c-r,c' is a box, 'r,c;r,c' are cells. */
const cells: Codec<CellChoice | undefined> = {
  write: (choice) => {
    if (!choice) return undefined;
    return choice.kind === 'box' ? choice.corners.join('-') : choice.cells.join(';');
  },
  read: (text) => {
    if (!/^\d+,\d+(-\d+,\d+|(;\d+,\d+)*)$/.test(text)) return undefined;
    const cellsOf = (separator: string) =>
      text.split(separator).map((cell): Cell => cell.split(',').map(Number) as [number, number]);
    const [from, to] = cellsOf('-');
    return text.includes('-') ? { kind: 'box', corners: [from!, to!] } : { kind: 'cells', cells: cellsOf(';') };
  },
};

const CODECS: { readonly [Key in keyof State]: { readonly key: string } & Codec<State[Key]> } = {
  picture: { key: 'picture', ...picture },
  model: { key: 'model', ...oneOf(MODELS.map(({ name }) => name)) },
  weights: { key: 'weights', ...weights },
  fit: { key: 'fit', ...oneOf(['squash', 'crop', 'pad']) },
  preset: { key: 'preset', ...(oneOf(PRESETS) as Codec<State['preset']>) },
  method: { key: 'method', ...oneOf(METHODS) },
  layerName: { key: 'layer', ...name },
  classIndex: { key: 'class', ...whole(0, 99_999) },
  otherClass: { key: 'other', ...whole(0, 99_999) },
  nSamples: { key: 'samples', ...(whole(0, 10_000) as Codec<number>) },
  stdDev: { key: 'std-dev', ...within(0, 10) },
  noiseScale: { key: 'noise-scale', ...oneOf(['relative', 'absolute']) },
  seed: { key: 'seed', ...(whole(0, Number.MAX_SAFE_INTEGER) as Codec<number>) },
  steps: { key: 'steps', ...(whole(1, 10_000) as Codec<number>) },
  baseline: { key: 'baseline', ...oneOf(['black', 'mean']) },
  score: { key: 'score', ...oneOf(SCORES) },
  sampleWeights: { key: 'sample-weights', ...oneOf(['uniform', 'score']) },
  alphaNumerator: { key: 'alpha-numerator', ...oneOf(['second', 'first']) },
  alphaDenominator: { key: 'alpha-denominator', ...oneOf(['cell', 'sum', 'none']) },
  alphaEpsilon: { key: 'alpha-epsilon', ...within(0, 1) },
  alphaGuard: { key: 'alpha-guard', ...oneOf(['positive', 'nonzero']) },
  alphaNormalization: { key: 'alpha-normalization', ...oneOf(['none', 'all', 'positive-gradient']) },
  alphaGradient: { key: 'alpha-gradient', ...oneOf(['mean', 'last']) },
  activations: { key: 'activations', ...oneOf(['clean', 'mean', 'last']) },
  batch: { key: 'batch', ...whole(1, 10_000) },
  filters: { key: 'filters', ...filters },
  cells: { key: 'cells', ...cells },
  view: { key: 'view', ...oneOf(VIEWS) },
  opacity: { key: 'opacity', ...within(0, 1) },
  colorMap: { key: 'color-map', ...oneOf(COLOR_MAPS) },
  showsBoxes: { key: 'boxes', ...flag },
  threshold: { key: 'threshold', ...within(0.01, 1) },
};

const KEYS = Object.keys(CODECS) as (keyof State)[];

/** The fragment, without '#': '' for the first state. */
export function linkOf(state: State): string {
  const fields = new URLSearchParams();
  for (const key of KEYS) {
    const codec = CODECS[key] as { key: string } & Codec<unknown>;
    const text = codec.write(state[key]);
    if (text !== undefined && text !== codec.write(INITIAL_STATE[key])) fields.set(codec.key, text);
  }
  return fields.toString();
}

/** The state that a fragment stands for, and the fields of it that mean nothing here. */
export function stateOf(fragment: string): { state: State; unknown: string[] } {
  const unknown: string[] = [];
  const read: Record<string, unknown> = {};
  for (const [field, text] of new URLSearchParams(fragment.replace(/^#/, ''))) {
    const key = KEYS.find((each) => CODECS[each].key === field);
    const value = key && CODECS[key].read(text);
    if (key && value !== undefined) read[key] = value;
    else unknown.push(field);
  }
  const state: State = { ...INITIAL_STATE, ...read };
  // The page's own weights are those of its own model alone, which has no others.
  const isFitting = isBuiltIn(state.model) === (state.weights.kind === 'built-in');
  return { state: isFitting ? state : { ...state, weights: usualWeights(state.model) }, unknown };
}

type Network = Pick<ModelRecord, 'layers' | 'defaultLayer' | 'classCount' | 'methods'>;

/**
 * What of a state the network does not have, which shows once it is there: a link may be of another network, or typed.
 *
 * @returns the change that puts what is usual in its place, and what is left out, as the link has it: 'layer=block9_conv1'
 */
export function misfitsOf(state: State, network: Network): { change: Partial<State>; unknown: string[] } {
  const { method, classIndex, otherClass, filters, cells } = state;
  const misfits: (keyof State)[] = [];
  if (!network.methods.includes(method)) misfits.push('method');
  const isClass = (index: number | undefined) => index === undefined || index < network.classCount;
  if (!isClass(classIndex)) misfits.push('classIndex');
  if (!isClass(otherClass)) misfits.push('otherClass');
  const layer = layerIn(network, state);
  if (!layer?.canBeExplained) misfits.push('layerName');
  // Feature maps and cells of a layer that is not there mean nothing in another.
  const [maps, rows, columns] = layer?.canBeExplained ? layer.shape : [0, 0, 0];
  if (filters.some((filter) => filter >= maps)) misfits.push('filters');
  const chosen = cells?.kind === 'box' ? cells.corners : (cells?.cells ?? []);
  if (chosen.some(([row, column]) => row >= rows || column >= columns)) misfits.push('cells');
  return {
    change: Object.fromEntries(misfits.map((key) => [key, INITIAL_STATE[key]])),
    unknown: misfits.map((key) => {
      const codec = CODECS[key] as { key: string } & Codec<unknown>;
      return `${codec.key}=${codec.write(state[key])}`;
    }),
  };
}
