/** The methods: one row says all that tells one from another. */
import type { MethodName } from '../options.ts';

export interface Method {
  readonly title: string;
  /** How a feature map's weight comes from the gradient's moments; src/ops/weights.ts has both. */
  readonly weights: 'mean-gradient' | 'alpha';
  /** Where the method was published, with its equation. */
  readonly source: string;
}

export const METHOD_TABLE: Readonly<Record<MethodName, Method>> = {
  'grad-cam': {
    title: 'Grad-CAM',
    weights: 'mean-gradient',
    source: 'Selvaraju et al. 2017, Eq. 1 and 2',
  },
  'grad-cam++': {
    title: 'Grad-CAM++',
    weights: 'alpha',
    source: 'Chattopadhay et al. 2018 (arXiv 1710.11063), Eq. 19',
  },
  'smooth-grad-cam++': {
    title: 'Smooth Grad-CAM++',
    weights: 'alpha',
    source: 'Omeiza et al. 2019 (arXiv 1908.01224), Eq. 5 to 8',
  },
};
