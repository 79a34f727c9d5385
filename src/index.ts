/** The public API, nothing else. */
export type { FilterContribution } from './cam/combined-maps.ts';
export type { Outcome } from './cam/outcome.ts';
export { classify } from './classify.ts';
export type { Conventions } from './conventions.ts';
export type { AnyMethod, CustomMethod, MethodDefinition, WeightsFunction } from './custom-method.ts';
export { defineMethod } from './define-method.ts';
export { differenceMap } from './difference.ts';
export {
  AbortError,
  DeviceLostError,
  DisposedError,
  GpuUnavailableError,
  GradcamError,
  ImageError,
  LimitError,
  LoadError,
  OptionError,
  OverflowError,
  ReleasedError,
  ShaderError,
  WeightsError,
} from './errors.ts';
export { type Agreement, agreementOf } from './evaluate/agreement.ts';
export { explain, gradCamPlusSmooth, type OneExplanation } from './explain.ts';
export type {
  CombinedMaps,
  Completeness,
  Explanation,
  HeatMaps,
  Prediction,
  Provenance,
  Timings,
} from './explanation.ts';
export type { FusedExplanation } from './fused-explanation.ts';
export { fuseMaps } from './fusion.ts';
export type { CandidateTiming, Tuning } from './gpu/contest.ts';
export { type AdapterInfo, Gpu, type GpuMemory, type GpuRequestOptions, type KernelTraits } from './gpu/gpu.ts';
export { TUNE_MODES, type TuneMode, type TunerOptions } from './gpu/tuner.ts';
export type { TuningStore } from './gpu/tuning.ts';
export { type Box, type BoxOptions, boxesOf, drawBoxes, type MapPlace, type PictureSize } from './image/boxes.ts';
export { COLOR_MAPS, type ColorMapName, DIVERGING_COLOR_MAPS } from './image/color-map.ts';
export type { View } from './image/fit.ts';
export type { OverlayImage, OverlayOptions } from './image/overlay.ts';
export type { ImageInput, Pixels } from './image/picture.ts';
export { addPngText, PNG_KEYWORD, pngText } from './image/png-text.ts';
export { type InputMethod, type LayerMethod, METHOD_TABLE, type Method } from './method-table.ts';
export { METHODS, type MethodName, type ReluRule } from './methods.ts';
export {
  AUTO_MODEL,
  type LoadModelOptions,
  loadModel,
  Model,
  type ModelLayer,
  type RandomWeights,
  type WeightsRecord,
} from './model.ts';
export type { FeatureShape } from './network/graph.ts';
export { type KnownModel, MODELS, type ModelName, type ModelSource, type ModelVariant } from './network/models.ts';
export type { TuneProgress } from './network/tune.ts';
export type { ChannelScaling } from './ops/preprocess.ts';
export {
  type AnyExplainOptions,
  type Cell,
  type ClassifyOptions,
  DEFAULT_OPTIONS,
  type ExplainClassesOptions,
  type ExplainLayersOptions,
  type ExplainOptions,
  type ExplainProgress,
  type Fit,
  FUSIONS,
  type FusedOptions,
  type Fusion,
  type FusionClassesOptions,
  type FusionOptions,
  type KernelChoice,
  type KernelChoices,
  type ResolvedOptions,
  type SelectionOptions,
} from './options.ts';
export { PRECISIONS, type Precision } from './precision.ts';
export { presentedMaps } from './presented-maps.ts';
export {
  PRESET_TABLE,
  PRESETS,
  type Presentation,
  type Preset,
  type PresetName,
  type PresetOptions,
} from './presets.ts';
export { explainProgressively, type ProgressiveOptions, type ProgressiveStep } from './progressive.ts';
export { SCENE_CLASSES, type SceneClass } from './scenes/classes.ts';
export { drawScene, type PixelBox, type Scene, type SceneInstance, type SceneOptions } from './scenes/scene.ts';
export { SCORE_TABLE, type Score } from './score-table.ts';
export { SCORES, type ScoreName, type ScoreVariable } from './scores.ts';
export { type Trace, type TraceOptions, trace } from './trace.ts';
export type { TracedLayer, TracedTensor } from './traced.ts';
export { type TuneKernelsOptions, tuneKernels } from './tune.ts';
export { VERSION } from './version.ts';
export type {
  ByteSource,
  ByteStore,
  CacheWriter,
  DescribedModel,
  Encoding,
  LoadProgress,
  OpenOptions,
  OpenWeightsOptions,
  ResumePoint,
  Sha256,
  StreamOptions,
  TensorInfo,
  WeightsCache,
  WeightsDtype,
  WeightsFile,
  WeightsLocation,
  WeightsPiece,
} from './weights/source.ts';
export { openWeights } from './weights/source.ts';
