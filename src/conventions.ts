/** Where programs that compute Grad-CAM++ and Smooth Grad-CAM++ differ, as options. */

export const ALPHA_NUMERATORS = ['second', 'first'] as const;
export const ALPHA_DENOMINATORS = ['cell', 'sum', 'none'] as const;
export const ALPHA_GUARDS = ['positive', 'nonzero'] as const;
export const ALPHA_NORMALIZATIONS = ['none', 'all', 'positive-gradient'] as const;
export const ALPHA_GRADIENTS = ['mean', 'last'] as const;
export const ACTIVATIONS = ['clean', 'mean', 'last'] as const;

/** How α comes of the moments. See ExplainOptions for what each value means. */
export interface AlphaConventions {
  /** N of α. */
  readonly alphaNumerator: (typeof ALPHA_NUMERATORS)[number];
  /** What α divides N by. */
  readonly alphaDenominator: (typeof ALPHA_DENOMINATORS)[number];
  /** What is added to the denominator. */
  readonly alphaEpsilon: number;
  /** Which cells keep their α. */
  readonly alphaGuard: (typeof ALPHA_GUARDS)[number];
  /** What α is divided by in the end. */
  readonly alphaNormalization: (typeof ALPHA_NORMALIZATIONS)[number];
}

/** All in which those programs differ up to the map. */
export interface Conventions extends AlphaConventions {
  /** Which gradient α weights. */
  readonly alphaGradient: (typeof ALPHA_GRADIENTS)[number];
  /** Which feature maps are summed. */
  readonly activations: (typeof ACTIVATIONS)[number];
}

/** The arithmetic of the papers: what an option is without a preset. */
export const USUAL_CONVENTIONS = {
  alphaNumerator: 'second',
  alphaDenominator: 'cell',
  alphaEpsilon: 0,
  alphaGuard: 'positive',
  alphaNormalization: 'none',
  alphaGradient: 'mean',
  activations: 'clean',
} as const satisfies Conventions;
