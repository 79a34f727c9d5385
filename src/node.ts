/**
 * What Node adds to the core: a Gpu on Dawn, pictures and weights from files, maps, overlays and weights into files. Its
 * loadModel is the core's with other defaults.
 */

export { encodeNpy } from './image/npy.ts';
export type { Convention } from './network/graph.ts';
export type { RecognisedModel } from './network/recognise.ts';
export { type DriverEnvironment, swiftShaderEnvironment } from './node/adapters.ts';
export {
  type ConvertedFile,
  type ConvertedWeights,
  type ConvertOptions,
  convertWeights,
} from './node/convert-weights.ts';
export { type NodeGpuOptions, requestNodeGpu } from './node/dawn.ts';
export { type FileCache, fileCache, nodeStore } from './node/files.ts';
export { encodePng, type Picture, readPicture } from './node/image.ts';
export { loadModel } from './node/load-model.ts';
export { tuningFiles } from './node/tuning-files.ts';
