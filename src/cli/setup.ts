/** What `explain` and `classify` need before they can begin: the checked call, a GPU, a model. */
import { GpuUnavailableError, OptionError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type {
  ImageInput,
  LoadModelOptions,
  Model,
  ModelName,
  ModelVariant,
  RandomWeights,
  WeightsFile,
} from '../index.ts';
import { networkOf } from '../model.ts';
import { Graph } from '../network/graph.ts';
import { BUILT_IN_MODEL, findModel, type KnownModel, modelTable, publishedSource } from '../network/models.ts';
import { kernelQuestions } from '../network/steps.ts';
import { quietEnvironment } from '../node/adapters.ts';
import { chooseDawnAdapter, openDawnGpu } from '../node/dawn.ts';
import { fileCache, nodeStore } from '../node/files.ts';
import { checkPicture, readPicture } from '../node/image.ts';
import { loadModel } from '../node/load-model.ts';
import { DEFAULT_PRECISION, type Precision } from '../precision.ts';
import { drawScene, type Scene } from '../scenes/scene.ts';
import { openWeights } from '../weights/source.ts';
import type { Context } from './context.ts';
import { type CommonFlags, DEFAULT_MODEL } from './flags.ts';
import { labelsNear, readLabels } from './labels.ts';
import type { SceneRecipe } from './record.ts';

/** A picture of the call, to be read when its turn comes. */
export interface PictureSource {
  /** As it was given; undefined for the scene. */
  readonly file: string | undefined;
  read(): Promise<ImageInput>;
}

/** Pictures of the call, each checked to be one, as far as its header tells. */
export async function checkedPictures(files: readonly string[]): Promise<PictureSource[]> {
  for (const file of files) await checkPicture(file);
  return files.map((file) => ({ file, read: () => readPicture(file) }));
}

/** Three objects of one class and one of another: what the methods differ on. */
export const DEMO_SCENE: SceneRecipe = { seed: 4, instances: 3, secondClass: true };
export function drawDemoScene(): Scene {
  const { seed, ...options } = DEMO_SCENE;
  return drawScene(seed, options);
}
export const SCENE: PictureSource = { file: undefined, read: async () => drawDemoScene() };

export interface ModelChoice {
  readonly known: KnownModel;
  /** What tells the network from the published one. */
  readonly variant: ModelVariant;
  /** The network, known before its weights are there. */
  readonly graph: Graph;
  /** The weights' file, or how they are drawn; undefined: where the model has them published. */
  readonly weights: WeightsFile | RandomWeights | undefined;
  readonly precision: Precision | undefined;
  readonly labels: readonly string[] | undefined;
}

/**
 * Reads --model, --weights, --width, --precision and --labels, with what stands in for them where they are not given: for pictures of
 * the user's an ImageNet model, else the built-in one; for weights of the user's the network that they are of.
 */
export async function chooseModel(
  flags: CommonFlags,
  { env, signal }: Pick<Context, 'env' | 'signal'>,
  hasPictures: boolean,
): Promise<ModelChoice> {
  const named = flags.model === undefined ? undefined : findModel(flags.model);
  const isBuiltInMeant = named === undefined && !hasPictures && flags.weights === undefined;
  const isBuiltIn = isBuiltInMeant || named?.name === BUILT_IN_MODEL;
  const location = flags.weights ?? (isBuiltIn ? undefined : env.GRADCAM_WEIGHTS || undefined);
  const random = location === undefined ? undefined : parseRandom(location);
  if (flags.width !== undefined && random === undefined) {
    throw new OptionError('--width', flags.width, 'to be given with --weights random:SEED only');
  }
  const { width, precision } = flags;
  const file = location === undefined || random ? undefined : await lookIntoWeights(location, signal);
  const { known, variant } = file
    ? await networkOf(file, named, {})
    : { known: named ?? findModel(isBuiltInMeant ? BUILT_IN_MODEL : DEFAULT_MODEL), variant: { width } };
  // Found now, not after the GPU: whether there are any.
  if (location === undefined) publishedSource(known);
  const graph = new Graph(modelTable(known, variant));
  return {
    known,
    variant,
    graph,
    weights: random ?? file,
    precision,
    labels: await chooseLabels(flags, env, known, random ?? location, file?.model?.labels, classCount(graph)),
  };
}

/**
 * Opens weights for what their description tells; they are read later, where they are one file by the same request.
 *
 * @param signal closes them: a command's own fires when it is over
 */
export function lookIntoWeights(location: string, signal: AbortSignal): Promise<WeightsFile> {
  return openWeights(location, { store: nodeStore(), cache: fileCache(), signal });
}

export function classCount(graph: Graph): number {
  return graph.shape(graph.logits.name)[0];
}

/** The weights that 'random:SEED' stands for; undefined for any other location. */
export function parseRandom(location: string): RandomWeights | undefined {
  const match = /^random(?::(.*))?$/.exec(location);
  if (!match) return undefined;
  const seed = match[1] ?? '0';
  if (!/^\d{1,10}$/.test(seed))
    throw new OptionError('--weights', location, 'random:SEED with a whole number for SEED');
  return { random: Number(seed) };
}

async function chooseLabels(
  flags: CommonFlags,
  env: NodeJS.ProcessEnv,
  known: KnownModel,
  weights: string | RandomWeights | undefined,
  ofWeights: readonly string[] | undefined,
  classes: number,
): Promise<readonly string[] | undefined> {
  if (flags.labels) return readLabelsOf('--labels', flags.labels, classes);
  // The classes of random weights are nothing that has a name.
  if (typeof weights === 'object') return undefined;
  if (ofWeights) return ofWeights;
  if (known.labels) return known.labels;
  if (env.GRADCAM_LABELS) return readLabelsOf('GRADCAM_LABELS', env.GRADCAM_LABELS, classes);
  const near = weights === undefined ? undefined : await labelsNear(weights);
  return near?.length === classes ? near : undefined;
}

export async function readLabelsOf(option: string, file: string, classes: number): Promise<readonly string[]> {
  const labels = await readLabels(option, file);
  if (labels.length === classes) return labels;
  throw new OptionError(option, file, `a file of ${classes} labels, one for each class; it has ${labels.length}`);
}

/** Thrown where no adapter of this process serves, but the packaged SwiftShader would in a process started for it. */
export class SwiftShaderNeeded extends Error {}

export async function openGpu(
  flags: Pick<CommonFlags, 'adapter' | 'limits' | 'precision' | 'tune' | 'forceVariant'>,
): Promise<Gpu> {
  Object.assign(process.env, quietEnvironment());
  const choice = await chooseDawnAdapter(flags.adapter, flags.precision);
  if (choice.do === 'restart-with-swiftshader') throw new SwiftShaderNeeded();
  if (choice.do === 'fail') throw new GpuUnavailableError(choice.message);
  const { limits, precision, tune, forceVariant } = flags;
  return openDawnGpu(choice.adapter, { limits, precision, tune, forceVariant });
}

/** Loads a model behind a progress bar. */
export function loadWithBar(
  gpu: Gpu,
  name: ModelName,
  options: LoadModelOptions,
  { terminal, signal }: Context,
): Promise<Model> {
  const bar = terminal.progress('weights', megabytes);
  return loadModel(gpu, name, {
    ...options,
    signal,
    onProgress: ({ loadedBytes, totalBytes }) => bar.update(loadedBytes, totalBytes),
  }).finally(() => bar.stop());
}

export async function openModel(gpu: Gpu, choice: ModelChoice, context: Context): Promise<Model> {
  const { terminal } = context;
  const { known, variant, weights, precision, labels } = choice;
  if (weights && 'random' in weights) {
    const size = variant.width === undefined ? '' : `, ${variant.width} of the channels`;
    terminal.note(
      `${known.name} with random weights (seed ${weights.random}${size}): predictions and maps mean nothing. ` +
        'Name real weights with --weights.',
    );
  }
  noteIdleVariant(gpu, choice, context);
  return loadWithBar(gpu, known.name, { weights, ...variant, precision, labels }, context);
}

/** A forced kernel is taken where it can be, which may be nowhere. */
function noteIdleVariant(gpu: Gpu, { known, graph, precision }: ModelChoice, { terminal }: Context): void {
  const { limits, traits, tuner } = gpu;
  if (tuner.forced === undefined) return;
  // Convolutions are the same in both conventions; those of all layers, both ways.
  const request = {
    graph,
    convention: 'torch',
    precision,
    target: graph.layers[0].name,
    samples: 0,
    limits,
    traits,
  } as const;
  const usable = new Set<string>(kernelQuestions(request).flatMap(({ candidates }) => candidates));
  if (usable.has(tuner.forced)) return;
  const what = `${known.name} with --precision ${precision ?? DEFAULT_PRECISION}`;
  terminal.note(
    `--force-variant ${tuner.forced} changes nothing here: no convolution of ${what} can take it, but ${[...usable].sort().join(', ')}`,
  );
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
