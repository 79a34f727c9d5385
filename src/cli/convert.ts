/** `gradcam convert`: weights for a static host, and what their rounding does to the network's answers. */
import { InvalidArgumentError, Option } from 'commander';
import { classTitle } from '../class-names.ts';
import { OptionError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type Explanation, explain, type Model } from '../index.ts';
import { BUILT_IN_MODEL, findModel, publishedSource } from '../network/models.ts';
import { type RecognisedModel, recogniseModel } from '../network/recognise.ts';
import {
  type ConvertedWeights,
  checkTarget,
  convertWeights,
  DEFAULT_SHARD_BYTES,
  DEFAULT_STORED_PRECISION,
} from '../node/convert-weights.ts';
import { drawScene } from '../scenes/scene.ts';
import { STORED_PRECISIONS, type StoredPrecision } from '../weights/encode.ts';
import type { WeightsFile } from '../weights/source.ts';
import type { Context } from './context.ts';
import { type CommonFlags, commonOptions, parseNumber } from './flags.ts';
import { labelsNear } from './labels.ts';
import { percent, toJson } from './result.ts';
import {
  checkedPictures,
  loadWithBar,
  lookIntoWeights,
  megabytes,
  openGpu,
  type PictureSource,
  readLabelsOf,
} from './setup.ts';

export interface ConvertFlags extends Pick<CommonFlags, 'model' | 'labels' | 'adapter' | 'limits' | 'json' | 'quiet'> {
  to: string;
  precision?: StoredPrecision;
  shardMb?: number;
  pictures?: string[];
  force?: boolean;
}

/** Drawn for the built-in model: none of the scenes that it was trained on. */
const SCENE_SEEDS = [0, 1, 2, 3, 4, 5, 6, 7];

const BYTES_PER_MB = 1e6;

export function convertOptions(): Option[] {
  const shared = ['adapter', 'limits', 'json', 'quiet'];
  return [
    new Option('--to <folder>', 'a new folder, which appears when it is complete').makeOptionMandatory(),
    new Option(
      '--precision <format>',
      'number format of matrices and kernels: f32, f16, or u8 with a scale and a min for each tensor ' +
        `(default: ${DEFAULT_STORED_PRECISION})`,
    ).choices(STORED_PRECISIONS),
    new Option(
      '--shard-mb <megabytes>',
      `upper bound on a file, in millions of bytes (default: ${DEFAULT_SHARD_BYTES / BYTES_PER_MB})`,
    ).argParser(parseMegabytes),
    new Option(
      '--model <name>',
      'the network; without a SOURCE, the one whose published weights are taken (default: told by the tensors)',
    ),
    new Option(
      '--labels <file>',
      'JSON array of the names of the classes, to travel with the weights (default: a file near them)',
    ),
    new Option(
      '--pictures <file...>',
      `measure how much the rounding moves logits and maps on these (default: for ${BUILT_IN_MODEL} drawn scenes)`,
    ),
    new Option('--force', 'replace the converted weights in the folder'),
    ...commonOptions().filter((option) => shared.includes(option.attributeName())),
  ];
}

export function parseMegabytes(text: string): number {
  const megabytes = parseNumber(text);
  if (megabytes < 0.1) throw new InvalidArgumentError('Expected a number of at least 0.1.');
  return megabytes;
}

/** What is wrong with the call is found before any work. */
export async function convertCommand(source: string | undefined, flags: ConvertFlags, context: Context): Promise<void> {
  const { terminal, env, signal } = context;
  await checkTarget(flags.to, flags.force === true, '--force');
  const location = source ?? publishedSource(findModel(flags.model ?? BUILT_IN_MODEL)).url;
  const file = await lookIntoWeights(location, signal);
  const model = chooseNetwork(file, flags.model, context);
  const labels = await chooseLabels(location, file, model, flags.labels, env);
  const pictures = await choosePictures(flags.pictures, model);
  noteIntegers(file, context);

  // The GPU is there before the work begins: where there is none, nothing has been done in vain.
  const { adapter, limits } = flags;
  const gpu = pictures.length > 0 ? await openGpu({ adapter, limits }) : undefined;
  try {
    const before = gpu && model && (await answers(gpu, model, file, pictures, context));
    const bar = terminal.progress('converted', megabytes);
    let sourceBytes = 0;
    const converted = await convertWeights(file, flags.to, {
      precision: flags.precision,
      shardBytes: flags.shardMb === undefined ? undefined : Math.floor(flags.shardMb * BYTES_PER_MB),
      labels,
      force: flags.force,
      signal,
      onProgress: ({ loadedBytes, totalBytes }) => {
        sourceBytes = totalBytes;
        bar.update(loadedBytes, totalBytes);
      },
    }).finally(() => bar.stop());
    const after =
      gpu && model && (await answers(gpu, model, await lookIntoWeights(flags.to, signal), pictures, context, before));
    const moves = before && after ? before.map((answer, i) => compare(answer, after[i]!, labels)) : [];
    terminal.print(
      flags.json ? toJson(asJson(converted, sourceBytes, moves)) : summarize(converted, sourceBytes, moves),
    );
  } finally {
    gpu?.dispose();
  }
}

/** The network that the weights are of; undefined where the library knows none such. */
function chooseNetwork(
  file: WeightsFile,
  named: string | undefined,
  { terminal }: Context,
): RecognisedModel | undefined {
  const known = named === undefined ? undefined : findModel(named);
  const model = recogniseModel(file);
  if (known && model?.known !== known) {
    throw new OptionError(
      '--model',
      named,
      `the network of the weights, which is ${model?.known.name ?? 'not known here'}`,
    );
  }
  if (!model) terminal.note(`${file.origin}: of no network that is known here; the index will not name one`);
  return model;
}

/** undefined: those that came with the weights or that the network has, if there are any. */
async function chooseLabels(
  location: string,
  file: WeightsFile,
  model: RecognisedModel | undefined,
  given: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<readonly string[] | undefined> {
  if (!model) {
    if (given === undefined) return undefined;
    throw new OptionError('--labels', given, 'to be given with weights of a known network only');
  }
  const classes = model.variant.classes ?? model.known.classes;
  if (given !== undefined) return readLabelsOf('--labels', given, classes);
  if (file.model?.labels || model.known.labels) return undefined;
  if (env.GRADCAM_LABELS) return readLabelsOf('GRADCAM_LABELS', env.GRADCAM_LABELS, classes);
  const near = await labelsNear(location);
  return near?.length === classes ? near : undefined;
}

async function choosePictures(
  given: readonly string[] | undefined,
  model: RecognisedModel | undefined,
): Promise<readonly PictureSource[]> {
  if (given && !model) {
    throw new OptionError('--pictures', given.join(' '), 'to be given with weights of a known network only');
  }
  if (given) return checkedPictures(given);
  if (model?.known.name !== BUILT_IN_MODEL) return [];
  return SCENE_SEEDS.map((seed) => ({ file: `scene ${seed}`, read: async () => drawScene(seed) }));
}

function noteIntegers({ integerTensors }: WeightsFile, { terminal }: Context): void {
  if (integerTensors.size === 0) return;
  terminal.note(`Left out, as they are no weights: ${[...integerTensors.keys()].join(', ')}`);
}

/** What a network says of a picture. */
interface Answer {
  readonly picture: string;
  readonly logits: readonly number[];
  readonly result: Explanation;
}

/** @param others whose classes the maps are to explain; without them, each picture's most probable one */
async function answers(
  gpu: Gpu,
  { known, variant }: RecognisedModel,
  weights: WeightsFile,
  pictures: readonly PictureSource[],
  context: Context,
  others?: readonly Answer[],
): Promise<Answer[]> {
  const model = await loadWithBar(gpu, known.name, { weights, ...variant }, context);
  try {
    const found: Answer[] = [];
    for (const [i, { file, read }] of pictures.entries()) {
      const classIndex = others?.[i]?.result.classIndex;
      found.push(await answer(model, file!, await read(), { classIndex, signal: context.signal }));
    }
    return found;
  } finally {
    model.dispose();
  }
}

async function answer(
  model: Model,
  picture: string,
  image: Awaited<ReturnType<PictureSource['read']>>,
  options: { classIndex: number | undefined; signal: AbortSignal },
): Promise<Answer> {
  const result = await explain(model, image, { ...options, topK: model.classCount, keep: false });
  const logits = new Array<number>(model.classCount);
  for (const { classIndex, logit } of result.predictions) logits[classIndex] = logit;
  return { picture, logits, result };
}

/** How much an answer has moved. */
interface Move {
  readonly picture: string;
  /** The most probable class, with the source's weights and with the converted ones. */
  readonly top: readonly [before: TopClass, after: TopClass];
  /** Largest change of a logit, and the root of the mean square of all changes. */
  readonly logits: { readonly largest: number; readonly rms: number };
  /** Largest change of a cell of the default method's map, as a share of the greatest value before. */
  readonly map: number;
}

interface TopClass {
  readonly classIndex: number;
  readonly label: string | undefined;
  readonly probability: number;
}

function compare(before: Answer, after: Answer, labels: readonly string[] | undefined): Move {
  const changes = before.logits.map((logit, i) => Math.abs(after.logits[i]! - logit));
  const topOf = ({ result: { predictions } }: Answer): TopClass => {
    const { classIndex, label, probability } = predictions[0]!;
    return { classIndex, label: labels?.[classIndex] ?? label, probability };
  };
  const [one, other] = [before.result.map.data, after.result.map.data];
  const greatest = one.reduce((most, value) => Math.max(most, value), 0);
  const change = one.reduce((most, value, i) => Math.max(most, Math.abs(value - other[i]!)), 0);
  return {
    picture: before.picture,
    top: [topOf(before), topOf(after)],
    logits: {
      largest: Math.max(...changes),
      rms: Math.sqrt(changes.reduce((sum, change) => sum + change ** 2, 0) / changes.length),
    },
    map: greatest === 0 ? change : change / greatest,
  };
}

function asJson({ index, files, totalBytes, model }: ConvertedWeights, sourceBytes: number, moves: readonly Move[]) {
  return { index, model: model?.known.name, files, totalBytes, sourceBytes, moves };
}

function summarize({ index, files, totalBytes, model }: ConvertedWeights, sourceBytes: number, moves: readonly Move[]) {
  const lines = [
    `${index}: ${model?.known.name ?? 'weights of no known network'}`,
    `  ${files.length} ${files.length === 1 ? 'file' : 'files'}, ${size(totalBytes)}; the source has ${size(sourceBytes)}`,
  ];
  if (moves.length === 0) return lines.join('\n');
  const kept = moves.filter(({ top: [before, after] }) => before.classIndex === after.classIndex).length;
  const most = (of: (move: Move) => number) => Math.max(...moves.map(of));
  lines.push(
    ...moves.map(describeMove),
    `  the same most probable class on ${kept} of ${moves.length}; at most, a logit moves by ` +
      `${most(({ logits }) => logits.largest).toPrecision(2)} and a map by ${percent(most(({ map }) => map))} of its maximum`,
  );
  return lines.join('\n');
}

function describeMove({ picture, top: [before, after], logits, map }: Move): string {
  const named = ({ classIndex, label }: TopClass) => classTitle(classIndex, label);
  const changed = before.classIndex === after.classIndex ? '' : `${named(after)}, `;
  return (
    `  ${picture}: ${named(before)}, ${percent(before.probability)} → ${changed}${percent(after.probability)}; ` +
    `logits move by ${logits.largest.toPrecision(2)} at most (rms ${logits.rms.toPrecision(2)}), ` +
    `the map by ${percent(map)} of its maximum`
  );
}

function size(bytes: number): string {
  return bytes < 1e5 ? `${bytes} bytes` : `${(bytes / BYTES_PER_MB).toPrecision(3)} MB`;
}
