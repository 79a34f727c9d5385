/** `gradcam replay FILE`: makes a recorded map again and says whether it is the same. */
import { Option } from 'commander';
import { checkPrecision } from '../check-precision.ts';
import { GradcamError, ImageError, OptionError, WeightsError } from '../errors.ts';
import { readPicture as readPixels } from '../image/picture.ts';
import {
  differenceMap,
  drawScene,
  explain,
  type LoadModelOptions,
  type Model,
  type OneExplanation,
  type Pixels,
  type Provenance,
  VERSION,
} from '../index.ts';
import { Graph } from '../network/graph.ts';
import { findModel, type KnownModel, modelTable } from '../network/models.ts';
import { adapterTitle } from '../node/adapters.ts';
import { readPicture } from '../node/image.ts';
import type { AnyExplainOptions } from '../options.ts';
import type { Precision } from '../precision.ts';
import { checksumOf } from '../weights/sha256.ts';
import type { Context } from './context.ts';
import { checkCall } from './explain.ts';
import { type CommonFlags, commonOptions } from './flags.ts';
import {
  isAddress,
  locate,
  RecordError,
  type RecordedMap,
  type ReplayRecord,
  readMapBeside,
  readRecord,
} from './record.ts';
import { toJson } from './result.ts';
import { loadWithBar, openGpu, parseRandom } from './setup.ts';

/** Greatest difference, as a share of the map's greatest value, of maps that count as equal. */
const TOLERANCE = 1e-6;

/** What WebGPU guarantees: a device made with `--limits default` has these. */
const DEFAULT_LIMITS = { maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: 2 ** 27 };

export interface ReplayFlags extends Pick<CommonFlags, 'model' | 'weights' | 'adapter' | 'limits' | 'json' | 'quiet'> {
  image?: string;
}

export function replayOptions(): Option[] {
  const shared = ['adapter', 'json', 'quiet'];
  return [
    new Option('--image <file>', 'the picture (default: where the record says, or beside it)'),
    new Option('--weights <path|url>', 'the weights, as for explain (default: where the record says)'),
    new Option('--model <name>', "the network (default: the record's)"),
    new Option('--limits <which>', "the adapter's limits, or WebGPU's defaults (default: as the record says)").choices([
      'adapter',
      'default',
    ]),
    ...commonOptions().filter((option) => shared.includes(option.attributeName())),
  ];
}

export async function replayCommand(file: string, flags: ReplayFlags, context: Context): Promise<void> {
  const { terminal, signal } = context;
  const record = await readRecord(file);
  const { provenance } = record;
  const { known, precision, options } = await readCall(file, record, flags);
  const picture = await findPicture(file, record, flags.image);
  const weights = await findWeights(file, provenance, known, flags.weights);
  const recorded = await readMapBeside(file, record);

  const gpu = await openGpu({ adapter: flags.adapter, limits: flags.limits ?? limitsOf(provenance), precision });
  let replay: Replay;
  try {
    const model = await loadWithBar(gpu, known.name, { weights, precision, ...provenance.variant }, context);
    checkWeights(file, provenance, model);
    const bar = terminal.progress('samples', String);
    const onProgress = ({ done, total }: { done: number; total: number }) => bar.update(done, total);
    const explained = () => explain(model, picture, { ...options, signal, onProgress }).finally(() => bar.stop());
    const made = await madeAgain(await blamingRecord(file, provenance, explained));
    replay = compare(file, record, recorded, made);
  } finally {
    gpu.dispose();
  }
  terminal.print(flags.json ? toJson(replay) : summarize(replay));
  if (replay.verdict === 'different') throw new GradcamError('different', `${file}: the map is another one`);
}

/** The network and the options that the record asks for, checked before any work. */
async function readCall(
  file: string,
  { provenance, difference }: ReplayRecord,
  flags: ReplayFlags,
): Promise<{ known: KnownModel; precision: Precision; options: AnyExplainOptions }> {
  const named = flags.model === undefined ? undefined : findModel(flags.model);
  return blamingRecord(file, provenance, () => {
    const known = named ?? findModel(provenance.model);
    // The class that was chosen then, even if another one is the most probable by a hair now.
    const classIndex = difference ? [provenance.classIndex, difference.classIndex] : provenance.classIndex;
    const options = { ...provenance.options, classIndex, kernels: provenance.kernels } as AnyExplainOptions;
    checkCall(options, new Graph(modelTable(known, provenance.variant)));
    return { known, precision: checkPrecision(provenance.weights.precision), options };
  });
}

/** An option that is wrong in the record is no fault of the call. */
async function blamingRecord<T>(
  file: string,
  { library }: ReplayRecord['provenance'],
  work: () => T | Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof OptionError)) throw cause;
    throw new RecordError(
      `${file}: what was recorded by ${library} cannot be done by version ${VERSION}: ${cause.message}`,
      { cause },
    );
  }
}

/** @throws ImageError if it is another picture than the recorded one */
async function findPicture(file: string, record: ReplayRecord, image: string | undefined): Promise<Pixels> {
  const { name, pixels } = await readSource(file, record, image);
  const picture = await readPixels(pixels);
  const found = { width: picture.width, height: picture.height, checksum: await checksumOf(picture.data) };
  const recorded = record.provenance.picture;
  if (found.checksum === recorded.checksum) return picture;
  const title = ({ width, height, checksum }: typeof recorded) => `${width} × ${height} pixels, ${checksum}`;
  throw new ImageError(
    `${name}: not the pixels that ${file} was made from: found ${title(found)}; recorded ${title(recorded)}. It is ` +
      'another picture, or its decoder is of another version: then explain it from a .npy of its pixels',
  );
}

async function readSource(
  file: string,
  record: ReplayRecord,
  image: string | undefined,
): Promise<{ name: string; pixels: Pixels }> {
  const { source, provenance } = record;
  if (image !== undefined) return { name: image, pixels: await readPicture(image) };
  if (source === undefined) throw new OptionError('--image', image, `a picture: ${file} does not say where it was`);
  if ('file' in source) {
    const name = await locate(file, source.file, 'its picture', '--image');
    return { name, pixels: await readPicture(name) };
  }
  const { seed, ...options } = source.scene;
  return { name: `scene ${seed}`, pixels: await blamingRecord(file, provenance, () => drawScene(seed, options)) };
}

/** Where the recorded weights are; undefined: where the model has them published. */
async function findWeights(
  file: string,
  { weights: { origin, checksum } }: ReplayRecord['provenance'],
  known: KnownModel,
  given: string | undefined,
): Promise<LoadModelOptions['weights']> {
  if (given !== undefined) return parseRandom(given) ?? given;
  const [published] = known.sources;
  if (checksum !== undefined && checksum === published?.checksum) return undefined;
  if (known.sources.some(({ url }) => url === origin)) return origin;
  const random = parseRandom(origin);
  if (random) return random;
  if (!isAddress(origin)) return locate(file, origin, 'its weights file', '--weights');
  // A picture from a stranger must not make this machine fetch from wherever it likes.
  throw new OptionError('--weights', given, `the address of the weights; ${file} was made with ${origin}`);
}

/** @throws WeightsError if they are other weights than the recorded ones */
function checkWeights(
  file: string,
  { weights: recorded }: ReplayRecord['provenance'],
  { weights: found }: Model,
): void {
  const identity = ({ origin, checksum }: typeof recorded) => checksum ?? origin;
  if (identity(found) === identity(recorded)) return;
  throw new WeightsError(`not the weights that ${file} was made with`, {
    file: found.origin,
    expected: identity(recorded),
    found: identity(found),
  });
}

/** Of a device with just what WebGPU guarantees: as `--limits default`. */
function limitsOf({ device: { limits } }: ReplayRecord['provenance']): 'adapter' | 'default' {
  const isDefault =
    limits.maxBufferSize === DEFAULT_LIMITS.maxBufferSize &&
    limits.maxStorageBufferBindingSize === DEFAULT_LIMITS.maxStorageBufferBindingSize;
  return isDefault ? 'default' : 'adapter';
}

/** Who made a map, on what. */
type Maker = Pick<Provenance, 'library' | 'adapter' | 'device' | 'kernels'>;

/** What `--json` prints. */
interface Replay {
  readonly file: string;
  /** 'equal': within the tolerance. */
  readonly verdict: 'equal bits' | 'equal' | 'different';
  /** As a share of the greatest value of both maps; undefined where only the recorded checksum is there. */
  readonly greatestDifference: number | undefined;
  readonly tolerance: number;
  /** Path of the recorded map, or undefined where its checksum was compared only. */
  readonly comparedWith: string | undefined;
  readonly recorded: Maker;
  readonly replayed: Maker;
}

/** What the record's options came to this time. */
interface MadeAgain {
  readonly values: Float32Array;
  readonly checksum: string;
  readonly maker: Maker;
}

async function madeAgain(explained: OneExplanation | OneExplanation[]): Promise<MadeAgain> {
  if (!Array.isArray(explained)) {
    const { map, provenance } = explained;
    return { values: map.data, checksum: provenance.map.checksum, maker: makerOf(provenance) };
  }
  const [a, b] = explained;
  const values = Float32Array.from(differenceMap(a, b).data);
  return { values, checksum: await checksumOf(values), maker: makerOf(a.provenance) };
}

function compare(
  file: string,
  { provenance, difference }: ReplayRecord,
  recorded: RecordedMap | undefined,
  { values, checksum, maker }: MadeAgain,
): Replay {
  const isSame = checksum === (difference ?? provenance).map.checksum;
  const greatestDifference = isSame ? 0 : recorded && relativeDifference(values, recorded.values);
  const isClose = greatestDifference !== undefined && greatestDifference <= TOLERANCE;
  return {
    file,
    verdict: isSame ? 'equal bits' : isClose ? 'equal' : 'different',
    greatestDifference,
    tolerance: TOLERANCE,
    comparedWith: recorded?.file,
    recorded: makerOf(provenance),
    replayed: maker,
  };
}

function makerOf({ library, adapter, device, kernels }: Maker): Maker {
  return { library, adapter, device, kernels };
}

/** The greatest difference of two maps, as a share of the greatest value in either; 1 if they differ in length. */
export function relativeDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return 1;
  let difference = 0;
  let greatest = 0;
  for (let i = 0; i < a.length; i++) {
    difference = Math.max(difference, Math.abs(a[i]! - b[i]!));
    greatest = Math.max(greatest, Math.abs(a[i]!), Math.abs(b[i]!));
  }
  return greatest === 0 ? 0 : difference / greatest;
}

function summarize(replay: Replay): string {
  const { file, greatestDifference, recorded, replayed } = replay;
  const difference =
    greatestDifference === undefined
      ? 'its bits differ; by how much cannot be said without its .npy'
      : `the greatest difference is ${greatestDifference.toExponential(2)} of the greatest value`;
  const verdicts: Readonly<Record<Replay['verdict'], string>> = {
    'equal bits': 'equal bits',
    equal: `equal within ${TOLERANCE}: ${difference}`,
    different: `different: ${difference}${greatestDifference === undefined ? '' : `, more than ${TOLERANCE}`}`,
  };
  const maker = ({ library, adapter }: Maker) => `${library}, ${adapterTitle(adapter)}`;
  // Of a result among several layers, the record has kernels of the others' ways back as well.
  const hasKernels = Object.entries(replayed.kernels).every(
    ([name, choices]) => toJson({ ...recorded.kernels[name], ...choices }) === toJson(recorded.kernels[name]),
  );
  return [
    `${file}: ${verdicts[replay.verdict]}`,
    `  recorded: ${maker(recorded)}`,
    `  replayed: ${maker(replayed)}${hasKernels ? '' : '; it cannot use all of the recorded kernels'}`,
  ].join('\n');
}
