/** The settings as a table: a row says all there is to a control. See field-controls.ts for how a row becomes one. */
import {
  COLOR_MAPS,
  METHOD_TABLE,
  METHODS,
  type MethodName,
  PRESET_TABLE,
  PRESETS,
  type PresetName,
  SCORE_TABLE,
  SCORES,
} from 'gradcam-webgpu';
import { methodSection, sectionOf } from './docs-links.ts';
import { METHOD_WORDS } from './method-words.ts';
import { presetsNoise, type State, takesNoise, takesSteps } from './state.ts';

interface Row {
  readonly key: keyof State;
  readonly label: string;
  /** One sentence. */
  readonly about: string | ((state: State) => string);
  /** Where more is said. */
  readonly more: string | ((state: State) => string);
  /** Why the control does nothing now; undefined where it does. */
  readonly idle?: (state: State) => string | undefined;
  /** Whether it is there at all; default always. */
  readonly isShown?: (state: State) => boolean;
}

export interface NumberRow extends Row {
  readonly kind: 'number';
  readonly step: number;
  /** Ends of the slider, if there is one; the box takes up to `most`. */
  readonly slider?: readonly [least: number, most: number];
  readonly least: number;
  readonly most: number;
  /** In the place of the box: the value as text. */
  readonly shows?: (value: number) => string;
}

export interface SelectRow extends Row {
  readonly kind: 'select';
  readonly options: readonly { readonly value: string; readonly text: string; readonly group?: string }[];
  /** What else a choice changes. */
  readonly also?: (value: string) => Partial<State>;
}

const READING = sectionOf('Reading this page');
const PICTURE_AND_MAP = sectionOf('The picture and the map');

/** The value of an option that stands for none. */
export const NONE = '';

export type FieldRow = NumberRow | SelectRow;

const titleOf = ({ method }: State) => METHOD_TABLE[method].title;
const percent = (value: number) => `${Math.round(100 * value)} %`;

const idleWithoutNoise = (state: State) => (takesNoise(state) ? undefined : `${titleOf(state)} takes no noisy copies.`);
const idleWithoutCopies = (state: State) =>
  idleWithoutNoise(state) ?? (state.nSamples > 0 ? undefined : 'There are no noisy copies.');
const hasPath = ({ method }: State) => takesSteps(method);
const idleByPreset = ({ preset }: State) => (preset === undefined ? undefined : 'The preset decides this.');
const idleByPresetsNoise = (state: State) =>
  presetsNoise(state.preset) ? idleByPreset(state) : idleWithoutCopies(state);
const idleWithoutAlpha = (state: State) =>
  METHOD_TABLE[state.method].weights === 'alpha' ? idleByPreset(state) : `${titleOf(state)} has no α.`;
const idleWithoutGradient = (state: State) =>
  METHOD_TABLE[state.method].needsGradient ? idleByPreset(state) : `${titleOf(state)} takes no gradient.`;

const groupOf = (method: MethodName) => (METHOD_TABLE[method].place === 'layer' ? 'At a layer' : 'At the input');

/** With noisy copies, which the page begins with. */
function methodOfPreset(preset: PresetName): MethodName {
  const { options, noisyOptions } = PRESET_TABLE[preset];
  return noisyOptions?.method ?? options.method;
}

export const METHOD_FIELDS: readonly FieldRow[] = [
  {
    kind: 'select',
    key: 'method',
    label: 'Method',
    options: METHODS.map((method) => ({ value: method, text: METHOD_TABLE[method].title, group: groupOf(method) })),
    also: () => ({ preset: undefined }),
    about: ({ method }) => `${METHOD_WORDS[method]} ${METHOD_TABLE[method].source}.`,
    more: ({ method }) => methodSection(method),
  },
  {
    kind: 'number',
    key: 'nSamples',
    label: 'Noisy copies n',
    step: 1,
    slider: [0, 50],
    least: 0,
    most: 10_000,
    about:
      'The gradient is averaged over n noisy copies of the picture; more copies make a steadier map and take longer.',
    more: methodSection('smooth-grad-cam++'),
    idle: idleWithoutNoise,
    isShown: (state) => !hasPath(state),
  },
  {
    kind: 'number',
    key: 'stdDev',
    label: 'Noise σ',
    step: 0.01,
    slider: [0, 1],
    least: 0,
    most: 10,
    about: 'How strong the noise is, as a share of the range of the input; 0.1 to 0.3 is usual.',
    more: READING,
    idle: idleByPresetsNoise,
    isShown: (state) => !hasPath(state),
  },
  {
    kind: 'number',
    key: 'seed',
    label: 'Seed',
    step: 1,
    least: 0,
    most: Number.MAX_SAFE_INTEGER,
    about: 'Another seed draws other noise; the same seed gives the same map, to the bit.',
    more: READING,
    idle: idleWithoutCopies,
    isShown: (state) => !hasPath(state),
  },
  {
    kind: 'number',
    key: 'steps',
    label: 'Steps',
    step: 1,
    slider: [1, 200],
    least: 1,
    most: 10_000,
    about:
      'Points on the line from the baseline to the picture; more steps bring the sum closer to what the score gains.',
    more: methodSection('integrated-gradients'),
    isShown: hasPath,
  },
  {
    kind: 'select',
    key: 'baseline',
    label: 'Baseline',
    options: [
      { value: 'black', text: 'Black picture' },
      { value: 'mean', text: 'Mean colour' },
    ],
    about: 'The picture without evidence where the line begins.',
    more: methodSection('integrated-gradients'),
    isShown: hasPath,
  },
];

export const CONVENTION_FIELDS: readonly FieldRow[] = [
  {
    kind: 'select',
    key: 'preset',
    label: 'As computed by',
    options: [
      { value: NONE, text: 'This library' },
      ...PRESETS.map((preset) => ({ value: preset, text: PRESET_TABLE[preset].title })),
    ],
    also: (value) => {
      const preset = PRESETS.find((name) => name === value);
      return preset ? { method: methodOfPreset(preset), score: 'exp' } : {};
    },
    about: ({ preset }) =>
      preset ? `${PRESET_TABLE[preset].source}.` : 'The arithmetic of other programs, to compare with their maps.',
    more: sectionOf('Conventions'),
  },
  {
    kind: 'select',
    key: 'score',
    label: 'Score',
    options: SCORES.map((score) => ({ value: score, text: `${score}: ${SCORE_TABLE[score].equation.split(':')[0]}` })),
    about: 'What is differentiated, a function of the logit S or of the probability p of the class.',
    more: sectionOf('Scores'),
    idle: idleWithoutGradient,
  },
  {
    kind: 'select',
    key: 'alphaNumerator',
    label: 'Numerator of α',
    options: [
      { value: 'second', text: 'Second derivative (Eq. 5)' },
      { value: 'first', text: 'First derivative (Eq. 7)' },
    ],
    about: 'The paper prints its formula in two ways; this chooses one.',
    more: sectionOf('Conventions'),
    idle: idleWithoutAlpha,
  },
  {
    kind: 'select',
    key: 'alphaDenominator',
    label: 'Denominator of α',
    options: [
      { value: 'cell', text: 'Of each cell' },
      { value: 'sum', text: 'One sum for all cells' },
      { value: 'none', text: 'None' },
    ],
    about: 'Programs differ in what the numerator is divided by.',
    more: sectionOf('Conventions'),
    idle: idleWithoutAlpha,
  },
  {
    kind: 'select',
    key: 'alphaGuard',
    label: 'Cells that keep α',
    options: [
      { value: 'positive', text: 'Denominator above zero' },
      { value: 'nonzero', text: 'Denominator not zero' },
    ],
    about: 'Where the denominator is zero or below, α has a pole or a wrong sign.',
    more: sectionOf('Conventions'),
    idle: idleWithoutAlpha,
  },
  {
    kind: 'select',
    key: 'alphaNormalization',
    label: 'α is divided by',
    options: [
      { value: 'none', text: 'Nothing' },
      { value: 'all', text: 'Its sum over the map' },
      { value: 'positive-gradient', text: 'Its sum where the gradient is positive' },
    ],
    about: 'Some programs make the α of a map sum up to one.',
    more: sectionOf('Conventions'),
    idle: idleWithoutAlpha,
  },
  {
    kind: 'select',
    key: 'sampleWeights',
    label: 'Weight of a copy',
    options: [
      { value: 'uniform', text: 'All alike' },
      { value: 'score', text: 'By its score' },
    ],
    about: 'Whether copies that the network is surer of count for more; with a score other than exp they count alike.',
    more: READING,
    idle: (state) =>
      idleWithoutCopies(state) ?? (state.score === 'exp' ? undefined : 'This score has weights of its own.'),
  },
  {
    kind: 'select',
    key: 'activations',
    label: 'Feature maps of',
    options: [
      { value: 'clean', text: 'The clean picture' },
      { value: 'mean', text: 'The mean of the copies' },
      { value: 'last', text: 'The last copy' },
    ],
    about: 'Which feature maps are weighted and summed.',
    more: READING,
    idle: (state) =>
      METHOD_TABLE[state.method].masks || takesSteps(state.method) || METHOD_TABLE[state.method].place === 'input'
        ? `${titleOf(state)} has none to average.`
        : idleByPreset(state),
  },
  {
    kind: 'select',
    key: 'noiseScale',
    label: 'σ is in',
    options: [
      { value: 'relative', text: 'Shares of the input’s range' },
      { value: 'absolute', text: 'The input’s own units' },
    ],
    about: 'The unit of σ; the input’s own units are those behind preprocessing.',
    more: READING,
    idle: idleByPresetsNoise,
  },
  {
    kind: 'select',
    key: 'fit',
    label: 'Fit',
    options: [
      { value: 'squash', text: 'Squash the whole picture' },
      { value: 'crop', text: 'Crop its centre' },
      { value: 'pad', text: 'Pad it' },
    ],
    about: 'How a picture of any shape is brought to the square that the network takes.',
    more: PICTURE_AND_MAP,
  },
];

export const LOOK_FIELDS: readonly FieldRow[] = [
  {
    kind: 'number',
    key: 'opacity',
    label: 'Opacity',
    step: 0.01,
    slider: [0, 1],
    least: 0,
    most: 1,
    shows: percent,
    about: 'How much of the map’s colour lies over the picture.',
    more: PICTURE_AND_MAP,
  },
  {
    kind: 'select',
    key: 'colorMap',
    label: 'Colours',
    options: COLOR_MAPS.map((name) => ({ value: name, text: name })),
    about: 'From least to most: all but turbo are perceptually uniform, so that equal steps of the map look equal.',
    more: PICTURE_AND_MAP,
  },
  {
    kind: 'number',
    key: 'threshold',
    label: 'Boxes at',
    step: 0.01,
    slider: [0.05, 0.95],
    least: 0.01,
    most: 1,
    shows: percent,
    about: 'Boxes go around the regions where the map reaches this share of its largest value.',
    more: PICTURE_AND_MAP,
    idle: ({ showsBoxes }) => (showsBoxes ? undefined : 'The boxes are not shown.'),
  },
];
