/** The attributes of <gradcam-view>: what each means, and what has to be done anew when it changes. */
import { OptionError } from '../errors.ts';
import { COLOR_MAPS, DEFAULT_COLOR_MAP, DIVERGING_COLOR_MAPS } from '../image/color-map.ts';
import { DEFAULT_OPACITY } from '../image/overlay.ts';
import type { ColorMapName } from '../index.ts';
import { BUILT_IN_MODEL } from '../network/models.ts';
import type { Cell } from '../options.ts';
import type { EngineOptions } from './protocol.ts';

/**
 * What an attribute is about: the picture, the model, the options of the explanation, the feature maps and cells that the map
 * is made of, how the map looks, or nothing that is shown already.
 */
export type Stage = 'picture' | 'model' | 'options' | 'selection' | 'look' | 'none';

type Kind = 'text' | 'number' | 'boolean';

interface Row {
  readonly property: string;
  readonly stage: Stage;
  readonly kind: Kind;
  /** The option of explain() that it is. */
  readonly option?: keyof EngineOptions;
}

/** `class` is no attribute for it: on every element that is the class of its style. */
export const ATTRIBUTES = {
  src: { property: 'src', stage: 'picture', kind: 'text' },
  alt: { property: 'alt', stage: 'look', kind: 'text' },
  model: { property: 'model', stage: 'model', kind: 'text' },
  weights: { property: 'weights', stage: 'model', kind: 'text' },
  labels: { property: 'labels', stage: 'model', kind: 'text' },
  precision: { property: 'precision', stage: 'model', kind: 'text' },
  method: { property: 'method', stage: 'options', kind: 'text', option: 'method' },
  preset: { property: 'preset', stage: 'options', kind: 'text', option: 'preset' },
  layer: { property: 'layer', stage: 'options', kind: 'text' },
  fusion: { property: 'fusion', stage: 'options', kind: 'text', option: 'fusion' },
  'class-index': { property: 'classIndex', stage: 'options', kind: 'text' },
  contrast: { property: 'contrast', stage: 'options', kind: 'text' },
  samples: { property: 'samples', stage: 'options', kind: 'number', option: 'nSamples' },
  'std-dev': { property: 'stdDev', stage: 'options', kind: 'number', option: 'stdDev' },
  'noise-scale': { property: 'noiseScale', stage: 'options', kind: 'text', option: 'noiseScale' },
  seed: { property: 'seed', stage: 'options', kind: 'number', option: 'seed' },
  tolerance: { property: 'tolerance', stage: 'options', kind: 'number', option: 'tolerance' },
  score: { property: 'score', stage: 'options', kind: 'text', option: 'score' },
  steps: { property: 'steps', stage: 'options', kind: 'number', option: 'steps' },
  fit: { property: 'fit', stage: 'options', kind: 'text', option: 'fit' },
  batch: { property: 'batch', stage: 'none', kind: 'number', option: 'batch' },
  filters: { property: 'filters', stage: 'selection', kind: 'text' },
  'combine-filters': { property: 'combineFilters', stage: 'selection', kind: 'text', option: 'combineFilters' },
  region: { property: 'region', stage: 'selection', kind: 'text' },
  neurons: { property: 'neurons', stage: 'selection', kind: 'text' },
  'map-index': { property: 'mapIndex', stage: 'look', kind: 'number' },
  opacity: { property: 'opacity', stage: 'look', kind: 'number' },
  'color-map': { property: 'colorMap', stage: 'look', kind: 'text' },
  auto: { property: 'auto', stage: 'options', kind: 'boolean' },
} as const satisfies Readonly<Record<string, Row>>;

export type AttributeName = keyof typeof ATTRIBUTES;
type ValueOf<K extends Kind> = K extends 'number' ? number : K extends 'boolean' ? boolean : string;

/** The properties that stand for attributes; undefined where one is not there. */
export type AttributeProperties = {
  -readonly [Name in AttributeName as (typeof ATTRIBUTES)[Name]['property']]: (typeof ATTRIBUTES)[Name]['kind'] extends 'boolean'
    ? boolean
    : ValueOf<(typeof ATTRIBUTES)[Name]['kind']> | undefined;
};

/**
 * Gives a class of elements a property for each attribute, but where it has its own. Setting undefined or null takes the
 * attribute away.
 */
export function defineProperties(prototype: HTMLElement): void {
  for (const [name, { property, kind }] of Object.entries(ATTRIBUTES)) {
    if (Object.hasOwn(prototype, property)) continue;
    Object.defineProperty(prototype, property, {
      configurable: true,
      enumerable: true,
      get(this: HTMLElement) {
        const text = this.getAttribute(name);
        if (kind === 'boolean') return text !== null;
        return text === null ? undefined : kind === 'number' ? Number(text) : text;
      },
      set(this: HTMLElement, value: unknown) {
        if (kind === 'boolean') this.toggleAttribute(name, Boolean(value));
        else if (value === undefined || value === null) this.removeAttribute(name);
        else this.setAttribute(name, String(value));
      },
    });
  }
}

/** @throws OptionError for a text that is no number, or no list of cells */
export function readOptions(element: HTMLElement): EngineOptions {
  const options: Record<string, unknown> = {};
  for (const [name, row] of Object.entries(ATTRIBUTES) as [AttributeName, Row][]) {
    const text = element.getAttribute(name);
    if (row.option === undefined || text === null) continue;
    options[row.option] = row.kind === 'number' ? readNumber(name, text) : text;
  }
  return { ...options, ...readLayers(element), ...readSelection(element) };
}

/** One, or with `fusion` several with commas between them. */
function readLayers(element: HTMLElement): Pick<EngineOptions, 'layerName'> {
  const text = element.getAttribute('layer');
  if (text === null) return {};
  if (!element.hasAttribute('fusion')) return { layerName: text };
  return { layerName: text.split(',').map((name) => name.trim()) };
}

/** @throws OptionError */
export function readSelection(
  element: HTMLElement,
): Pick<EngineOptions, 'filters' | 'combineFilters' | 'region' | 'subset'> {
  const read = <T>(name: AttributeName, parse: (text: string) => T | undefined, allowed: string): T | undefined => {
    const text = element.getAttribute(name);
    if (text === null || text.trim() === '') return undefined;
    const value = parse(text);
    if (value === undefined) throw new OptionError(name, text, allowed);
    return value;
  };
  const filters = read('filters', readIntegers, 'indices of feature maps with commas between them: 3,17');
  const region = read('region', readRegion, 'two corners as row,column,row,column: 2,3,5,8');
  const neurons = read('neurons', readCells, 'cells as row,column;row,column: 2,8;5,3');
  if (region && neurons) throw new OptionError('neurons', element.getAttribute('neurons'), 'nothing beside region');
  const combineFilters = element.getAttribute('combine-filters') as EngineOptions['combineFilters'];
  return {
    ...(filters && { filters }),
    ...(combineFilters && { combineFilters }),
    ...(region && { region: true, subset: region }),
    ...(neurons && { subset: neurons }),
  };
}

/** How the map is drawn. */
export interface Look {
  readonly opacity: number;
  readonly colorMap: ColorMapName;
  readonly mapIndex: number;
}

/** @throws OptionError */
export function readLook(element: HTMLElement): Look {
  const opacity = readNumber('opacity', element.getAttribute('opacity') ?? String(DEFAULT_OPACITY));
  if (!(opacity >= 0 && opacity <= 1)) throw new OptionError('opacity', opacity, 'a number from 0 to 1');
  const colorMap = (element.getAttribute('color-map') ?? DEFAULT_COLOR_MAP) as ColorMapName;
  const names: readonly string[] = [...COLOR_MAPS, ...DIVERGING_COLOR_MAPS];
  if (!names.includes(colorMap)) throw new OptionError('color-map', colorMap, names.join(', '));
  const mapIndex = readNumber('map-index', element.getAttribute('map-index') ?? '0');
  return { opacity, colorMap, mapIndex };
}

/** The model that is shown without a word of it. */
export const DEFAULT_MODEL = BUILT_IN_MODEL;

function readNumber(name: string, text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isNaN(value)) throw new OptionError(name, text, 'a number');
  return value;
}

function readIntegers(text: string): number[] | undefined {
  const parts = text.split(',').map((part) => part.trim());
  return parts.every((part) => /^\d+$/.test(part)) ? parts.map(Number) : undefined;
}

function readRegion(text: string): Cell[] | undefined {
  const numbers = readIntegers(text);
  if (numbers?.length !== 4) return undefined;
  const [r0, c0, r1, c1] = numbers;
  return [
    [r0, c0],
    [r1, c1],
  ];
}

function readCells(text: string): Cell[] | undefined {
  const cells = text.split(';').flatMap((part) => (part.trim() === '' ? [] : [readIntegers(part)]));
  return cells.every((cell) => cell?.length === 2) ? (cells as unknown as Cell[]) : undefined;
}
