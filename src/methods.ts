/** The methods: one row says all that tells one from another. It drives the API, the command line, docs and tests. */

interface MethodBase {
  /** For people. */
  readonly title: string;
  /** Noisy copies are part of the method: where methods are compared, it takes some and the others none. */
  readonly isSmooth: boolean;
  /**
   * The map in terms of the feature maps A and the gradient g of the class's logit, or of the model's input x and the
   * gradient g there; with noise, g is averaged.
   */
  readonly equation: string;
  /** Where the method was published, with its equation. */
  readonly source: string;
}

/** A method that weights the feature maps of a layer. */
export interface LayerMethod extends MethodBase {
  /** Where its map is. */
  readonly place: 'layer';
  /** What the feature maps are weighted with; weightDispatches() in maps.ts knows how each is made. */
  readonly weights:
    | 'mean-gradient'
    | 'alpha'
    | 'activation-share'
    | 'gradient'
    | 'positive-gradient'
    | 'class-weights'
    | 'singular-vector'
    | 'masked-scores'
    | 'score-drop'
    // Of defineMethod().
    | 'expression'
    | 'cell-expression'
    | 'function';
  /**
   * Whether the map depends on the gradient of the class's logit. If not, there is no backward pass, and all that noisy
   * copies can change is the mean of the feature maps (`activations: 'mean'`).
   */
  readonly needsGradient: boolean;
  /**
   * The weights come from the class scores of copies that lack something, one for each feature map: 'input' where all of the
   * model's input but what the map shows is taken away, 'layer' where the map itself is. Such methods take no noise.
   */
  readonly masks?: 'input' | 'layer';
  /** In WGSL: what gives each cell of a feature map its weight, of 'expression' and 'cell-expression'. */
  readonly expression?: string;
}

/**
 * How a gradient passes a ReLU on the way back: 'gradient' where the activation was above zero; 'guided' where the gradient
 * is above zero as well; 'deconvnet' where the gradient is above zero, whatever the activation.
 */
export type ReluRule = 'gradient' | 'guided' | 'deconvnet';

/**
 * A method that attributes the score to the values of the model's input. `signed` holds the attribution of each channel,
 * `map` one value for each cell.
 */
export interface InputMethod extends MethodBase {
  /** Where its map is. */
  readonly place: 'input';
  /** None: there are no feature maps. */
  readonly weights?: undefined;
  /** None. */
  readonly masks?: undefined;
  /** None. */
  readonly expression?: undefined;
  /** Always. */
  readonly needsGradient: true;
  /** How the gradient passes ReLUs. */
  readonly rule: ReluRule;
  /**
   * What the gradient is multiplied with: the input; or, 'path', what the input has beyond a baseline, with the gradient
   * averaged over points on the straight line between them in place of noisy copies; or the Grad-CAM of a layer, enlarged.
   */
  readonly factor?: 'input' | 'path' | 'grad-cam';
  /** From the channels of a cell to its value in the map: the greatest |a_c|, or the positive part of Σ_c a_c. */
  readonly reduce: 'largest' | 'sum';
}

/** What tells a method from others: one that weights feature maps, or one that attributes the score to the input. */
export type Method = LayerMethod | InputMethod;

const TABLE = {
  'grad-cam': {
    title: 'Grad-CAM',
    place: 'layer',
    weights: 'mean-gradient',
    needsGradient: true,
    isSmooth: false,
    equation: 'L = ReLU(Σ_k W_k A_k), W_k the mean of g_k over its cells',
    source: 'Selvaraju et al. 2017 (arXiv 1610.02391), Eq. 1 and 2',
  },
  'hires-cam': {
    title: 'HiResCAM',
    place: 'layer',
    weights: 'gradient',
    needsGradient: true,
    isSmooth: false,
    equation: 'L = ReLU(Σ_k g_k ⊙ A_k)',
    source: 'Draelos and Carin 2020 (arXiv 2011.08891)',
  },
  'grad-cam++': {
    title: 'Grad-CAM++',
    place: 'layer',
    weights: 'alpha',
    needsGradient: true,
    isSmooth: false,
    equation: 'L = ReLU(Σ_k W_k A_k), W_k = Σ_ij α_k ReLU(g_k), α_k = g_k² / (2 g_k² + g_k³ Σ_ab A_k)',
    source: 'Chattopadhay et al. 2018 (arXiv 1710.11063), Eq. 19',
  },
  'smooth-grad-cam++': {
    title: 'Smooth Grad-CAM++',
    place: 'layer',
    weights: 'alpha',
    needsGradient: true,
    isSmooth: true,
    equation: 'that of Grad-CAM++, with g_k, g_k² and g_k³ averaged over n noisy copies of the picture',
    source: 'Omeiza et al. 2019 (arXiv 1908.01224), Eq. 5 to 8',
  },
  'xgrad-cam': {
    title: 'XGrad-CAM',
    place: 'layer',
    weights: 'activation-share',
    needsGradient: true,
    isSmooth: false,
    equation: 'L = ReLU(Σ_k W_k A_k), W_k = Σ_ij (A_k / Σ_ab A_k) g_k',
    source: 'Fu et al. 2020 (arXiv 2008.02312)',
  },
  'layer-cam': {
    title: 'LayerCAM',
    place: 'layer',
    weights: 'positive-gradient',
    needsGradient: true,
    isSmooth: false,
    equation: 'L = ReLU(Σ_k ReLU(g_k) ⊙ A_k)',
    source: 'Jiang et al. 2021 (doi 10.1109/TIP.2021.3089943)',
  },
  cam: {
    title: 'CAM',
    place: 'layer',
    weights: 'class-weights',
    needsGradient: false,
    isSmooth: false,
    equation: 'L = ReLU(Σ_k W_k A_k), W_k what the logit of the class weights the mean of A_k over its cells with',
    source: 'Zhou et al. 2016 (arXiv 1512.04150), Eq. 2',
  },
  'eigen-cam': {
    title: 'Eigen-CAM',
    place: 'layer',
    weights: 'singular-vector',
    needsGradient: false,
    isSmooth: false,
    equation:
      'L = ReLU(Σ_k V_k A_k), V the first right singular vector of A as a matrix of cells by maps, on the side of (1, …, 1)',
    source: 'Muhammad and Yeasin 2020 (arXiv 2008.00299)',
  },
  'score-cam': {
    title: 'Score-CAM',
    place: 'layer',
    weights: 'masked-scores',
    needsGradient: false,
    masks: 'input',
    isSmooth: false,
    equation: 'L = ReLU(Σ_k W_k A_k), W the softmax over k of S(x ⊙ H_k), H_k = A_k enlarged and brought to 0 … 1',
    source: 'Wang et al. 2020 (arXiv 1910.01279), Algorithm 1',
  },
  'ablation-cam': {
    title: 'Ablation-CAM',
    place: 'layer',
    weights: 'score-drop',
    needsGradient: false,
    masks: 'layer',
    isSmooth: false,
    equation: 'L = ReLU(Σ_k W_k A_k), W_k = (S − S_k) / |S|, S_k the score with A_k set to zero',
    source: 'Desai and Ramaswamy 2020 (doi 10.1109/WACV45572.2020.9093360)',
  },
  gradient: {
    title: 'Gradient',
    place: 'input',
    needsGradient: true,
    rule: 'gradient',
    reduce: 'largest',
    isSmooth: false,
    equation: 'a = g, L = max_c |a_c|',
    source: 'Simonyan et al. 2013 (arXiv 1312.6034), section 3.1',
  },
  'gradient-x-input': {
    title: 'Gradient × input',
    place: 'input',
    needsGradient: true,
    rule: 'gradient',
    factor: 'input',
    reduce: 'sum',
    isSmooth: false,
    equation: 'a = x ⊙ g, L = ReLU(Σ_c a_c)',
    source: 'Shrikumar et al. 2016 (arXiv 1605.01713)',
  },
  'smooth-grad': {
    title: 'SmoothGrad',
    place: 'input',
    needsGradient: true,
    rule: 'gradient',
    reduce: 'largest',
    isSmooth: true,
    equation: 'that of Gradient, with g averaged over n noisy copies of the picture',
    source: 'Smilkov et al. 2017 (arXiv 1706.03825)',
  },
  'integrated-gradients': {
    title: 'Integrated gradients',
    place: 'input',
    needsGradient: true,
    rule: 'gradient',
    factor: 'path',
    reduce: 'sum',
    isSmooth: false,
    equation: 'a = (x − x₀) ⊙ mean of g over points on the straight line from a baseline x₀ to x, L = ReLU(Σ_c a_c)',
    source: 'Sundararajan et al. 2017 (arXiv 1703.01365), Eq. 1 and 3',
  },
  'guided-backprop': {
    title: 'Guided backpropagation',
    place: 'input',
    needsGradient: true,
    rule: 'guided',
    reduce: 'largest',
    isSmooth: false,
    equation: 'a = g, but at a ReLU with output f only R_in = (f > 0) (R_out > 0) R_out goes back; L = max_c |a_c|',
    source: 'Springenberg et al. 2015 (arXiv 1412.6806), section 3.4',
  },
  deconvnet: {
    title: 'Deconvnet',
    place: 'input',
    needsGradient: true,
    rule: 'deconvnet',
    reduce: 'largest',
    isSmooth: false,
    equation: 'a = g, but at a ReLU R_in = (R_out > 0) R_out goes back, whatever its output; L = max_c |a_c|',
    source: 'Zeiler and Fergus 2014 (arXiv 1311.2901), section 2.1',
  },
  'guided-grad-cam': {
    title: 'Guided Grad-CAM',
    place: 'input',
    needsGradient: true,
    rule: 'guided',
    factor: 'grad-cam',
    reduce: 'largest',
    isSmooth: false,
    equation: 'a = guided backpropagation ⊙ Grad-CAM of the layer, enlarged to the input; L = max_c |a_c|',
    source: 'Selvaraju et al. 2017 (arXiv 1610.02391), section 3.2',
  },
} as const satisfies Readonly<Record<string, Method>>;

/** One of METHODS. */
export type MethodName = keyof typeof TABLE;

/** Every method by its name: title, equation, source, and what it is made of. */
export const METHOD_TABLE: Readonly<Record<MethodName, Method>> = TABLE;

/** Whether the method has to do with a layer, which an option names. */
export function takesLayer(method: Method): boolean {
  return method.place === 'layer' || method.factor === 'grad-cam';
}

/**
 * Whether the method is made for networks that end in a global average pooling and one fully connected layer, and for the
 * layer that is pooled there.
 */
export function needsPooledLayer(method: Method): boolean {
  return method.weights === 'class-weights';
}

/** Whether the method averages over points of a path in place of noisy copies. */
export function takesPath(method: Method): boolean {
  return method.place === 'input' && method.factor === 'path';
}

/** Names of the methods, in the order of the docs. */
export const METHODS = Object.keys(TABLE) as readonly MethodName[];

/** Those that the paper compares: what the tour and an evaluation begin with. */
export const COMPARED_METHODS = [
  'grad-cam',
  'grad-cam++',
  'smooth-grad-cam++',
] as const satisfies readonly MethodName[];
