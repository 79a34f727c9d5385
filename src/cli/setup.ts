/** What `explain` and `classify` need before they can begin: the checked call, a GPU, a model. */
import { GpuUnavailableError, OptionError, WeightsError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { drawnPicture } from '../image/drawn.ts';
import { type ImageInput, loadModel, type Model, type RandomWeights } from '../index.ts';
import { Graph } from '../network/graph.ts';
import { findModel, type KnownModel } from '../network/models.ts';
import { quietEnvironment } from '../node/adapters.ts';
import { chooseDawnAdapter, openDawnGpu } from '../node/dawn.ts';
import { fileCache, nodeStore } from '../node/files.ts';
import { checkPicture, readPicture } from '../node/image.ts';
import type { Context } from './context.ts';
import { type CommonFlags, DEFAULT_MODEL } from './flags.ts';
import { labelsNear, readLabels } from './labels.ts';

/** A picture of the call, to be read when its turn comes. */
export interface PictureSource {
  /** As it was given; undefined for the drawn one. */
  readonly file: string | undefined;
  read(): Promise<ImageInput>;
}

/** Pictures of the call, each checked to be one, as far as its header tells. */
export async function checkedPictures(files: readonly string[]): Promise<PictureSource[]> {
  for (const file of files) await checkPicture(file);
  return files.map((file) => ({ file, read: () => readPicture(file) }));
}

export const DRAWN_PICTURE: PictureSource = { file: undefined, read: async () => drawnPicture() };

export interface ModelChoice {
  readonly known: KnownModel;
  /** Whether the network was chosen for want of --model. */
  readonly isDefault: boolean;
  /** The network, known before its weights are there. */
  readonly graph: Graph;
  /** Where the weights are, or how they are drawn. */
  readonly weights: string | RandomWeights;
  /** Scale of the channel counts. */
  readonly width: number;
  readonly labels: readonly string[] | undefined;
}

/** Without a picture of the user's there is nothing to learn from real weights: small random ones, with no download. */
const BUILT_IN = { weights: 'random:0', width: 1 / 8 };

/** Reads --model, --weights, --width and --labels, with what stands in for them where they are not given. */
export async function chooseModel(
  flags: CommonFlags,
  env: NodeJS.ProcessEnv,
  hasPictures: boolean,
): Promise<ModelChoice> {
  const known = findModel(flags.model ?? DEFAULT_MODEL);
  const isBuiltIn = !hasPictures && flags.weights === undefined;
  const location = flags.weights ?? (isBuiltIn ? BUILT_IN.weights : env.GRADCAM_WEIGHTS || known.sources[0]!.url);
  const weights = parseRandom(location) ?? location;
  if (flags.width !== undefined && typeof weights === 'string') {
    throw new OptionError('--width', flags.width, 'to be given with --weights random:SEED only');
  }
  const width = flags.width ?? (isBuiltIn ? BUILT_IN.width : 1);
  const graph = new Graph(known.table({ width }));
  const isDefault = flags.model === undefined;
  return {
    known,
    isDefault,
    graph,
    weights,
    width,
    labels: await chooseLabels(flags, env, weights, classCount(graph)),
  };
}

export function classCount(graph: Graph): number {
  return graph.shape(graph.logits.name)[0];
}

function parseRandom(location: string): RandomWeights | undefined {
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
  weights: string | RandomWeights,
  classes: number,
): Promise<readonly string[] | undefined> {
  if (flags.labels) return readLabelsOf('--labels', flags.labels, classes);
  // The classes of random weights are nothing that has a name.
  if (typeof weights !== 'string') return undefined;
  if (env.GRADCAM_LABELS) return readLabelsOf('GRADCAM_LABELS', env.GRADCAM_LABELS, classes);
  const near = await labelsNear(weights);
  return near?.length === classes ? near : undefined;
}

async function readLabelsOf(option: string, file: string, classes: number): Promise<readonly string[]> {
  const labels = await readLabels(option, file);
  if (labels.length === classes) return labels;
  throw new OptionError(option, file, `a file of ${classes} labels, one for each class; it has ${labels.length}`);
}

/** Thrown where no adapter of this process serves, but the packaged SwiftShader would in a process started for it. */
export class SwiftShaderNeeded extends Error {}

export async function openGpu(flags: CommonFlags): Promise<Gpu> {
  Object.assign(process.env, quietEnvironment());
  const choice = await chooseDawnAdapter(flags.adapter);
  if (choice.do === 'restart-with-swiftshader') throw new SwiftShaderNeeded();
  if (choice.do === 'fail') throw new GpuUnavailableError(choice.message);
  return openDawnGpu(choice.adapter, flags.limits);
}

export async function openModel(gpu: Gpu, choice: ModelChoice, { terminal, signal }: Context): Promise<Model> {
  const { known, isDefault, weights, width, labels } = choice;
  if (typeof weights !== 'string') {
    const size = width === 1 ? '' : `, ${width} of the channels`;
    terminal.note(
      `${known.name} with random weights (seed ${weights.random}${size}): predictions and maps mean nothing. ` +
        'Name real weights with --weights.',
    );
  }
  const bar = terminal.progress('weights', megabytes);
  const loading = loadModel(gpu, known.name, {
    weights,
    width,
    labels,
    store: nodeStore(),
    cache: fileCache(),
    signal,
    onProgress: ({ loadedBytes, totalBytes }) => bar.update(loadedBytes, totalBytes),
  }).finally(() => bar.stop());
  return loading.catch((error) => {
    if (error instanceof WeightsError && error.tensor !== undefined && isDefault) {
      terminal.note(`The network is ${known.name}, as --model was not given; these weights may be another's.`);
    }
    throw error;
  });
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
