/** The methods as people read of them. */
import { type InputMethodRow, type LayerMethodRow, METHOD_ROWS, type MethodName } from './methods.ts';

interface Publication {
  /**
   * The map in terms of the feature maps A and the gradient g of the class's logit, or of the model's input x and the
   * gradient g there; with noise, g is averaged.
   */
  readonly equation: string;
  /** Where the method was published, with its equation. */
  readonly source: string;
}

/** A method that weights the feature maps of a layer. */
export interface LayerMethod extends LayerMethodRow, Publication {}

/**
 * A method that attributes the score to the values of the model's input. `signed` holds the attribution of each channel,
 * `map` one value for each cell.
 */
export interface InputMethod extends InputMethodRow, Publication {}

/** What tells a method from others: one that weights feature maps, or one that attributes the score to the input. */
export type Method = LayerMethod | InputMethod;

const PUBLICATIONS: Readonly<Record<MethodName, Publication>> = {
  'grad-cam': {
    equation: 'L = ReLU(Σ_k W_k A_k), W_k the mean of g_k over its cells',
    source: 'Selvaraju et al. 2017 (arXiv 1610.02391), Eq. 1 and 2',
  },
  'hires-cam': {
    equation: 'L = ReLU(Σ_k g_k ⊙ A_k)',
    source: 'Draelos and Carin 2020 (arXiv 2011.08891)',
  },
  'grad-cam++': {
    equation: 'L = ReLU(Σ_k W_k A_k), W_k = Σ_ij α_k ReLU(g_k), α_k = g_k² / (2 g_k² + g_k³ Σ_ab A_k)',
    source: 'Chattopadhay et al. 2018 (arXiv 1710.11063), Eq. 19',
  },
  'smooth-grad-cam++': {
    equation: 'that of Grad-CAM++, with g_k, g_k² and g_k³ averaged over n noisy copies of the picture',
    source: 'Omeiza et al. 2019 (arXiv 1908.01224), Eq. 5 to 8',
  },
  'xgrad-cam': {
    equation: 'L = ReLU(Σ_k W_k A_k), W_k = Σ_ij (A_k / Σ_ab A_k) g_k',
    source: 'Fu et al. 2020 (arXiv 2008.02312)',
  },
  'layer-cam': {
    equation: 'L = ReLU(Σ_k ReLU(g_k) ⊙ A_k)',
    source: 'Jiang et al. 2021 (doi 10.1109/TIP.2021.3089943)',
  },
  cam: {
    equation: 'L = ReLU(Σ_k W_k A_k), W_k what the logit of the class weights the mean of A_k over its cells with',
    source: 'Zhou et al. 2016 (arXiv 1512.04150), Eq. 2',
  },
  'eigen-cam': {
    equation:
      'L = ReLU(Σ_k V_k A_k), V the first right singular vector of A as a matrix of cells by maps, on the side of (1, …, 1)',
    source: 'Muhammad and Yeasin 2020 (arXiv 2008.00299)',
  },
  'score-cam': {
    equation: 'L = ReLU(Σ_k W_k A_k), W the softmax over k of S(x ⊙ H_k), H_k = A_k enlarged and brought to 0 … 1',
    source: 'Wang et al. 2020 (arXiv 1910.01279), Algorithm 1',
  },
  'ablation-cam': {
    equation: 'L = ReLU(Σ_k W_k A_k), W_k = (S − S_k) / |S|, S_k the score with A_k set to zero',
    source: 'Desai and Ramaswamy 2020 (doi 10.1109/WACV45572.2020.9093360)',
  },
  gradient: {
    equation: 'a = g, L = max_c |a_c|',
    source: 'Simonyan et al. 2013 (arXiv 1312.6034), section 3.1',
  },
  'gradient-x-input': {
    equation: 'a = x ⊙ g, L = ReLU(Σ_c a_c)',
    source: 'Shrikumar et al. 2016 (arXiv 1605.01713)',
  },
  'smooth-grad': {
    equation: 'that of Gradient, with g averaged over n noisy copies of the picture',
    source: 'Smilkov et al. 2017 (arXiv 1706.03825)',
  },
  'integrated-gradients': {
    equation: 'a = (x − x₀) ⊙ mean of g over points on the straight line from a baseline x₀ to x, L = ReLU(Σ_c a_c)',
    source: 'Sundararajan et al. 2017 (arXiv 1703.01365), Eq. 1 and 3',
  },
  'guided-backprop': {
    equation: 'a = g, but at a ReLU with output f only R_in = (f > 0) (R_out > 0) R_out goes back; L = max_c |a_c|',
    source: 'Springenberg et al. 2015 (arXiv 1412.6806), section 3.4',
  },
  deconvnet: {
    equation: 'a = g, but at a ReLU R_in = (R_out > 0) R_out goes back, whatever its output; L = max_c |a_c|',
    source: 'Zeiler and Fergus 2014 (arXiv 1311.2901), section 2.1',
  },
  'guided-grad-cam': {
    equation: 'a = guided backpropagation ⊙ Grad-CAM of the layer, enlarged to the input; L = max_c |a_c|',
    source: 'Selvaraju et al. 2017 (arXiv 1610.02391), section 3.2',
  },
};

/** Every method by its name: title, equation, source, and what it is made of. */
export const METHOD_TABLE = /* @__PURE__ */ table();

function table(): Readonly<Record<MethodName, Method>> {
  const rows = Object.entries(METHOD_ROWS).map(([name, row]) => [
    name,
    { ...row, ...PUBLICATIONS[name as MethodName] },
  ]);
  return Object.fromEntries(rows);
}
