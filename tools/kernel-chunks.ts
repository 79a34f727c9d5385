/**
 * Kernels that are loaded when they are first needed, those together that are needed together: docs/embedding.md says what for.
 * All others are needed for nearly every first map, and are part of the library's own module.
 */
const ON_DEMAND = {
  'kernels-implicit-gemm': ['ops/conv2d.implicit-gemm'],
  'kernels-half': ['ops/conv2d.magnitude'],
  'kernels-winograd': ['lib/winograd', 'ops/conv2d.winograd-filters'],
  'kernels-winograd-joined': ['ops/conv2d.winograd-joined'],
  'kernels-winograd-stages': ['ops/conv2d.winograd-'],
  'kernels-broadcast': ['ops/conv2d.broadcast'],
  'kernels-register-tile': ['ops/conv2d.register-tile'],
  'kernels-way-back': ['ops/conv2d.transpose-weights', 'ops/maxpool.grad-input', 'ops/moments.wgsl'],
  'kernels-layers': [
    'ops/conv2d.wgsl',
    'ops/conv2d.grad-input',
    'ops/global-average-pool',
    'ops/relu',
    'lib/mask-blocks',
  ],
  'kernels-keras': ['ops/flatten'],
  'kernels-eigen-cam': ['ops/singular-vector'],
  'kernels-masked-copies': ['ops/mask-input', 'ops/masked-scores', 'ops/ablate', 'lib/enlarged-map', 'lib/mask-range'],
  'kernels-input': ['ops/attribution', 'ops/path', 'ops/upsample'],
  'kernels-scores': ['ops/class-moments', 'ops/moments.s', 'ops/softmax.log-grad-input'],
  'kernels-tools': ['ops/moments.decode', 'lib/decode-moments'],
};

/** As Rolldown's `output.codeSplitting`: without it, each kernel on demand would be a file of its own. */
export const KERNEL_CHUNKS = {
  groups: Object.entries(ON_DEMAND).map(([name, kernels]) => ({
    name,
    test: (id: string) => kernels.some((kernel) => id.includes(`/shaders/${kernel}`)),
  })),
};
