/**
 * The methods: one row says all that tells one from another, and drives the API, the command line, docs and tests. What people
 * read of a method besides its title is in method-table.ts, which no explanation needs.
 */

interface MethodBase {
  /** For people. */
  readonly title: string;
  /** Noisy copies are part of the method: where methods are compared, it takes some and the others none. */
  readonly isSmooth: boolean;
}

/** A method that weights the feature maps of a layer. */
export interface LayerMethodRow extends MethodBase {
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
export interface InputMethodRow extends MethodBase {
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
export type MethodRow = LayerMethodRow | InputMethodRow;

const TABLE = {
  'grad-cam': {
    title: 'Grad-CAM',
    place: 'layer',
    weights: 'mean-gradient',
    needsGradient: true,
    isSmooth: false,
  },
  'hires-cam': {
    title: 'HiResCAM',
    place: 'layer',
    weights: 'gradient',
    needsGradient: true,
    isSmooth: false,
  },
  'grad-cam++': {
    title: 'Grad-CAM++',
    place: 'layer',
    weights: 'alpha',
    needsGradient: true,
    isSmooth: false,
  },
  'smooth-grad-cam++': {
    title: 'Smooth Grad-CAM++',
    place: 'layer',
    weights: 'alpha',
    needsGradient: true,
    isSmooth: true,
  },
  'xgrad-cam': {
    title: 'XGrad-CAM',
    place: 'layer',
    weights: 'activation-share',
    needsGradient: true,
    isSmooth: false,
  },
  'layer-cam': {
    title: 'LayerCAM',
    place: 'layer',
    weights: 'positive-gradient',
    needsGradient: true,
    isSmooth: false,
  },
  cam: {
    title: 'CAM',
    place: 'layer',
    weights: 'class-weights',
    needsGradient: false,
    isSmooth: false,
  },
  'eigen-cam': {
    title: 'Eigen-CAM',
    place: 'layer',
    weights: 'singular-vector',
    needsGradient: false,
    isSmooth: false,
  },
  'score-cam': {
    title: 'Score-CAM',
    place: 'layer',
    weights: 'masked-scores',
    needsGradient: false,
    masks: 'input',
    isSmooth: false,
  },
  'ablation-cam': {
    title: 'Ablation-CAM',
    place: 'layer',
    weights: 'score-drop',
    needsGradient: false,
    masks: 'layer',
    isSmooth: false,
  },
  gradient: {
    title: 'Gradient',
    place: 'input',
    needsGradient: true,
    rule: 'gradient',
    reduce: 'largest',
    isSmooth: false,
  },
  'gradient-x-input': {
    title: 'Gradient × input',
    place: 'input',
    needsGradient: true,
    rule: 'gradient',
    factor: 'input',
    reduce: 'sum',
    isSmooth: false,
  },
  'smooth-grad': {
    title: 'SmoothGrad',
    place: 'input',
    needsGradient: true,
    rule: 'gradient',
    reduce: 'largest',
    isSmooth: true,
  },
  'integrated-gradients': {
    title: 'Integrated gradients',
    place: 'input',
    needsGradient: true,
    rule: 'gradient',
    factor: 'path',
    reduce: 'sum',
    isSmooth: false,
  },
  'guided-backprop': {
    title: 'Guided backpropagation',
    place: 'input',
    needsGradient: true,
    rule: 'guided',
    reduce: 'largest',
    isSmooth: false,
  },
  deconvnet: {
    title: 'Deconvnet',
    place: 'input',
    needsGradient: true,
    rule: 'deconvnet',
    reduce: 'largest',
    isSmooth: false,
  },
  'guided-grad-cam': {
    title: 'Guided Grad-CAM',
    place: 'input',
    needsGradient: true,
    rule: 'guided',
    factor: 'grad-cam',
    reduce: 'largest',
    isSmooth: false,
  },
} as const satisfies Readonly<Record<string, MethodRow>>;

/** One of METHODS. */
export type MethodName = keyof typeof TABLE;

/** Every method by its name. */
export const METHOD_ROWS: Readonly<Record<MethodName, MethodRow>> = TABLE;

/** Whether the method has to do with a layer, which an option names. */
export function takesLayer(method: MethodRow): boolean {
  return method.place === 'layer' || method.factor === 'grad-cam';
}

/**
 * Whether the method is made for networks that end in a global average pooling and one fully connected layer, and for the
 * layer that is pooled there.
 */
export function needsPooledLayer(method: MethodRow): boolean {
  return method.weights === 'class-weights';
}

/** Whether the method averages over points of a path in place of noisy copies. */
export function takesPath(method: MethodRow): boolean {
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
