/** Sets of options that reproduce the arithmetic of programs in use. docs/methods.md has their equations. */
import { type Conventions, USUAL_CONVENTIONS } from './conventions.ts';
import type { MethodName } from './methods.ts';

/** What a preset sets: every convention, and what else its program fixes. */
export interface PresetOptions extends Conventions {
  /** The one that the program computes. */
  readonly method: MethodName;
  /** The one that its formula is made for. */
  readonly score: 'exp';
  /** Where its noise has another one than usual. */
  readonly noiseScale?: 'relative' | 'absolute';
  /** Likewise. */
  readonly stdDev?: number;
}

/** How a program brings its maps to 0 … 1 and to the picture's size. */
export interface Presentation {
  /** 'max': divided by the largest value; 'min-max': less the smallest value, divided by what is then the largest. */
  readonly normalization: 'max' | 'min-max';
  /** Whether the values that count are those of the layer's cells, or of the enlarged map. */
  readonly normalizedAt: 'layer' | 'size';
  /** What lies on each other, bilinear in between: the outer edges of both maps, or the centres of their corner cells. */
  readonly upsampling: 'half-pixel' | 'corners';
}

/** A program, or a paper, whose arithmetic the options reproduce. */
export interface Preset {
  /** For people. */
  readonly title: string;
  /** The program's file, or the paper's equation, that the options reproduce. */
  readonly source: string;
  /** What it sets. */
  readonly options: PresetOptions;
  /** With noisy copies, where the program computes otherwise then. */
  readonly noisyOptions?: Partial<PresetOptions>;
  /** What presentedMaps() goes by. */
  readonly presentation: Presentation;
}

/** Without a preset, and of papers, which say nothing of it. */
export const USUAL_PRESENTATION = {
  normalization: 'max',
  normalizedAt: 'layer',
  upsampling: 'half-pixel',
} as const satisfies Presentation;

const TABLE = {
  'paper-eq7': {
    title: 'Smooth Grad-CAM++ as printed',
    source: 'Omeiza et al. 2019 (arXiv 1908.01224), Eq. 7: the first derivative in the numerator',
    options: { ...USUAL_CONVENTIONS, method: 'smooth-grad-cam++', score: 'exp', alphaNumerator: 'first' },
    presentation: USUAL_PRESENTATION,
  },
  'grad-cam++': {
    title: "Grad-CAM++, the paper's equations",
    source: 'Chattopadhay et al. 2018 (arXiv 1710.11063), Eq. 5, 6 and 19',
    options: { ...USUAL_CONVENTIONS, method: 'grad-cam++', score: 'exp' },
    presentation: USUAL_PRESENTATION,
  },
  official: {
    title: "Grad-CAM++, the authors' program",
    source: 'adityac94/Grad_CAM_plus_plus, misc/utils.py: grad_CAM_plus()',
    options: {
      ...USUAL_CONVENTIONS,
      method: 'grad-cam++',
      score: 'exp',
      alphaGuard: 'nonzero',
      alphaNormalization: 'positive-gradient',
    },
    presentation: USUAL_PRESENTATION,
  },
  'torch-cam': {
    title: 'torch-cam',
    source:
      'frgfm/torch-cam, commit 0328b6f, torchcam/methods/gradient.py: GradCAMpp, and with noisy copies SmoothGradCAMpp',
    // GradCAMpp divides a copy of α, which is then dropped: α stays g².
    options: {
      ...USUAL_CONVENTIONS,
      method: 'grad-cam++',
      score: 'exp',
      alphaDenominator: 'none',
      alphaGuard: 'nonzero',
      noiseScale: 'absolute',
      stdDev: 0.3,
    },
    noisyOptions: {
      method: 'smooth-grad-cam++',
      alphaDenominator: 'sum',
      alphaEpsilon: 1e-8,
      alphaGradient: 'last',
      activations: 'last',
    },
    presentation: { ...USUAL_PRESENTATION, normalization: 'min-max' },
  },
  'pytorch-grad-cam': {
    title: 'pytorch-grad-cam',
    source: 'jacobgil/pytorch-grad-cam, commit 00711a2, pytorch_grad_cam/grad_cam_plusplus.py: GradCAMPlusPlus',
    options: {
      ...USUAL_CONVENTIONS,
      method: 'grad-cam++',
      score: 'exp',
      alphaEpsilon: 1e-6,
      alphaGuard: 'nonzero',
    },
    presentation: { normalization: 'min-max', normalizedAt: 'size', upsampling: 'half-pixel' },
  },
  'tf-keras-vis': {
    title: 'tf-keras-vis',
    source: 'keisen/tf-keras-vis, commit 07ed029, tf_keras_vis/gradcam_plus_plus.py: GradcamPlusPlus',
    options: {
      ...USUAL_CONVENTIONS,
      method: 'grad-cam++',
      score: 'exp',
      alphaGuard: 'nonzero',
      alphaNormalization: 'all',
    },
    presentation: { normalization: 'min-max', normalizedAt: 'size', upsampling: 'corners' },
  },
} as const satisfies Readonly<Record<string, Preset>>;

/** One of PRESETS. */
export type PresetName = keyof typeof TABLE;

/** Every preset by its name. */
export const PRESET_TABLE: Readonly<Record<PresetName, Preset>> = TABLE;

/** Names of the presets. */
export const PRESETS = Object.keys(TABLE) as readonly PresetName[];

/** What the preset sets for a call with `nSamples` noisy copies. */
export function presetOptions(name: PresetName, nSamples: number): PresetOptions {
  const { options, noisyOptions } = PRESET_TABLE[name];
  return nSamples > 0 ? { ...options, ...noisyOptions } : options;
}
