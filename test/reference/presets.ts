/**
 * The maps of other programs in float64, each written from its own source step by step and in its own order. Those that know of no noise get the mean of each derivative over the samples.
 */
import { sampleMean } from './sample-mean.ts';
import { elementCount, slice, type Tensor, tensor } from './tensor.ts';
import { upsample } from './upsample.ts';

/** What such a program sees of the network. */
export interface Seen {
  /** ∂S/∂A of each sample, or of the clean picture alone: [max(n, 1), K, H, W]. */
  readonly gradients: Tensor;
  /** S of the clean picture. */
  readonly score: number;
  /** A of the clean picture and of the last sample, [K, H, W]. */
  readonly activations: Tensor;
  readonly lastActivations: Tensor;
}

type Elementwise = (...values: number[]) => number;

/** f of the elements of tensors of one shape. */
function each(f: Elementwise, ...tensors: readonly Tensor[]): Tensor {
  const [{ shape, data }] = tensors as [Tensor];
  return tensor(
    shape,
    data.map((_, i) => f(...tensors.map((t) => t.data[i]!))),
  );
}

/** Σ over the cells of each map, [K]. */
function sumOfMaps(t: Tensor): number[] {
  return Array.from({ length: t.shape[0]! }, (_, k) => slice(t, k).data.reduce((sum, value) => sum + value, 0));
}

/** [K] to [K, H, W]. */
function spread(ofMaps: readonly number[], like: Tensor): Tensor {
  const cells = elementCount(like.shape.slice(1));
  return tensor(
    like.shape,
    Array.from(like.data, (_, i) => ofMaps[Math.floor(i / cells)]!),
  );
}

const relu = (x: number) => Math.max(x, 0);

/** ReLU(Σ_k W_k A_k), [H, W]. */
function cam(weights: readonly number[], activations: Tensor): Tensor {
  const weighted = each((w, a) => w * a, spread(weights, activations), activations);
  const maps = weights.map((_, k) => slice(weighted, k));
  return each((...values) => relu(values.reduce((sum, value) => sum + value, 0)), ...maps);
}

/** Omeiza et al. 2019, Eq. 7 as printed, and Eq. 2 and 8 around it; the factor e^S is left out. */
export function paperEquation7({ gradients, activations }: Seen): Tensor {
  const [d1, d2, d3] = [1, 2, 3].map((p) => sampleMean(each((g) => g ** p, gradients))) as [Tensor, Tensor, Tensor];
  const sums = spread(sumOfMaps(activations), activations);
  const alpha = each(
    usableQuotient,
    d1,
    each((second, third, sum) => 2 * second + sum * third, d2, d3, sums),
  );
  return cam(sumOfMaps(each((a, g) => a * relu(g), alpha, d1)), activations);
}

/** Chattopadhay et al. 2018, Eq. 5, 6 and 19; the factor e^S is left out. */
export function gradCamPlusPlusPaper({ gradients, activations }: Seen): Tensor {
  const [d1, d2, d3] = [1, 2, 3].map((p) => sampleMean(each((g) => g ** p, gradients))) as [Tensor, Tensor, Tensor];
  const sums = spread(sumOfMaps(activations), activations);
  const alpha = each(
    usableQuotient,
    d2,
    each((second, third, sum) => 2 * second + sum * third, d2, d3, sums),
  );
  return cam(sumOfMaps(each((a, g) => a * relu(g), alpha, d1)), activations);
}

/** The papers do not say what α is where its denominator is not above zero; here it is 0. */
function usableQuotient(numerator: number, denominator: number): number {
  return denominator > 0 && Number.isFinite(denominator) ? numerator / denominator : 0;
}

/** adityac94/Grad_CAM_plus_plus, misc/utils.py, grad_CAM_plus(). */
export function official({ gradients, score, activations }: Seen): Tensor {
  const derivative = (p: number) => derivatives(gradients, score, p);
  const [first, second, third] = [derivative(1), derivative(2), derivative(3)];
  const globalSum = spread(sumOfMaps(activations), activations);
  let denominator = each((d2, d3, sum) => d2 * 2 + d3 * sum, second, third, globalSum);
  denominator = each((d) => (d !== 0 ? d : 1), denominator);
  let alphas = each((a, b) => a / b, second, denominator);
  const weights = each(relu, first);
  const thresholded = each((w, alpha) => (w !== 0 ? alpha : 0), weights, alphas);
  const constant = sumOfMaps(thresholded).map((sum) => (sum !== 0 ? sum : 1));
  alphas = each((alpha, c) => alpha / c, alphas, spread(constant, alphas));
  return cam(sumOfMaps(each((w, alpha) => w * alpha, weights, alphas)), activations);
}

/** keisen/tf-keras-vis, commit 07ed029, tf_keras_vis/gradcam_plus_plus.py, GradcamPlusPlus. */
export function tfKerasVis({ gradients, score, activations }: Seen): Tensor {
  const derivative = (p: number) => derivatives(gradients, score, p);
  const [first, second, third] = [derivative(1), derivative(2), derivative(3)];
  const globalSum = spread(sumOfMaps(activations), activations);
  let denominator = each((d2, d3, sum) => d2 * 2 + d3 * sum, second, third, globalSum);
  denominator = each((d, d2) => d + Number(d2 === 0), denominator, second);
  let alphas = each((a, b) => a / b, second, denominator);
  const constant = sumOfMaps(alphas).map((sum) => sum + Number(sum === 0));
  alphas = each((alpha, c) => alpha / c, alphas, spread(constant, alphas));
  const weights = each(relu, first);
  return cam(sumOfMaps(each((w, alpha) => w * alpha, weights, alphas)), activations);
}

/** The mean of e^S g^p, both programs' derivatives of e^S. */
function derivatives(gradients: Tensor, score: number, p: number): Tensor {
  return sampleMean(each((g) => Math.exp(score) * g ** p, gradients));
}

/** jacobgil/pytorch-grad-cam, commit 00711a2, pytorch_grad_cam/grad_cam_plusplus.py, GradCAMPlusPlus. */
export function pytorchGradCam({ gradients, activations }: Seen): Tensor {
  const [grads, power2, power3] = [1, 2, 3].map((p) => sampleMean(each((g) => g ** p, gradients))) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const sums = spread(sumOfMaps(activations), activations);
  const eps = 0.000001;
  let aij = each((g2, g3, sum) => g2 / (2 * g2 + sum * g3 + eps), power2, power3, sums);
  aij = each((g, a) => (g !== 0 ? a : 0), grads, aij);
  const weights = sumOfMaps(each((g, a) => Math.max(g, 0) * a, grads, aij));
  return cam(weights, activations);
}

/**
 * frgfm/torch-cam, commit 0328b6f, torchcam/methods/gradient.py, GradCAMpp. It divides `alpha[idx][mask]`, which in PyTorch is a copy: the
 * quotient goes nowhere.
 */
export function torchCam({ gradients, activations }: Seen): Tensor {
  const grad = slice(gradients, 0);
  const alpha = each((g) => g ** 2, grad);
  return cam(sumOfMaps(each((a, g) => a * relu(g), alpha, grad)), activations);
}

/**
 * frgfm/torch-cam, commit 0328b6f, torchcam/methods/gradient.py, SmoothGradCAMpp. Its hooks are still on while the noisy copies go through:
 * the gradient behind α and the feature maps of the weighted sum (core.py, compute_cams()) are those of the last copy.
 */
export function torchCamSmooth({ gradients, activations, lastActivations }: Seen): Tensor {
  const count = gradients.shape[0]!;
  const samples = Array.from({ length: count }, (_, m) => slice(gradients, m));
  const sumOf = (p: number) => each((...values) => values.reduce((sum, g) => sum + g ** p, 0), ...samples);
  const grad2 = each((sum) => sum / count, sumOf(2));
  const grad3 = each((sum) => sum / count, sumOf(3));
  const product = spread(sumOfMaps(each((g3, act) => g3 * act, grad3, activations)), activations);
  const alpha = each((g2, sum) => g2 / (2 * g2 + sum + 1e-8), grad2, product);
  return cam(sumOfMaps(each((a, g) => a * relu(g), alpha, samples.at(-1)!)), lastActivations);
}

// --- How they bring their map to 0 … 1, and to a size ---

type Size = readonly [height: number, width: number];

const largestOf = ({ data }: Tensor) => data.reduce((a, b) => Math.max(a, b));
const smallestOf = ({ data }: Tensor) => data.reduce((a, b) => Math.min(a, b));

/** official's utils.py: `cam / np.max(cam)`, then skimage's resize, which is bilinear with half-pixel centres. */
export function officialPresented(map: Tensor, size: Size): Tensor {
  return upsample(
    each((value) => value / largestOf(map), map),
    size,
  );
}

/** torch-cam's core.py, commit 036c075, _normalize(); what enlarges its maps is not its own. */
export function torchCamPresented(map: Tensor): Tensor {
  const shifted = each((value) => value - smallestOf(map), map);
  return each((value) => value / (largestOf(shifted) + 1e-8), shifted);
}

/**
 * pytorch-grad-cam's base_cam.py, commit 0666bb7: scale_cam_image() with the size, whose cv2.resize is bilinear with half-pixel
 * centres, the mean over one layer, and scale_cam_image() without.
 */
export function pytorchGradCamPresented(map: Tensor, size: Size): Tensor {
  const scale = (image: Tensor) => {
    const shifted = each((value) => value - smallestOf(image), image);
    return each((value) => value / (1e-7 + largestOf(shifted)), shifted);
  };
  return scale(upsample(scale(map), size));
}

/** tf-keras-vis' gradcam_plus_plus.py: scipy's zoom of order 1, which lays corner on corner, then normalize(). */
export function tfKerasVisPresented(map: Tensor, size: Size): Tensor {
  const zoomed = zoom(map, size);
  const [least, most] = [smallestOf(zoomed), largestOf(zoomed)];
  return each((value) => (value - least) / (most - least + 1e-7), zoomed);
}

function zoom(map: Tensor, [height, width]: Size): Tensor {
  const [rows, columns] = map.shape as readonly number[] as [number, number];
  const at = (position: number, count: number) => {
    const low = Math.min(Math.floor(position), count - 2);
    return { low, share: position - low };
  };
  const result = tensor([height, width]);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const row = at((y * (rows - 1)) / (height - 1), rows);
      const column = at((x * (columns - 1)) / (width - 1), columns);
      const value = (r: number, c: number) => map.data[(row.low + r) * columns + column.low + c]!;
      const between = (r: number) => value(r, 0) * (1 - column.share) + value(r, 1) * column.share;
      result.data[y * width + x] = between(0) * (1 - row.share) + between(1) * row.share;
    }
  }
  return result;
}
