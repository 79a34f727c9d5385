/** `gradcam evaluate`: how well each method's maps lie on the objects, with how sure one can be of it. */
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Option } from 'commander';
import { findClasses } from '../class-names.ts';
import { methodName, methodOf } from '../custom-method.ts';
import { OptionError } from '../errors.ts';
import { DEFAULT_BOOTSTRAP } from '../evaluate/bootstrap.ts';
import { evaluatePicture, type MethodVariant, type PictureEvaluation } from '../evaluate/evaluate.ts';
import { THRESHOLDS } from '../evaluate/metrics.ts';
import { derivedSeed } from '../evaluate/seeds.ts';
import { type Summary, Tally } from '../evaluate/tally.ts';
import { DEFAULT_THRESHOLD } from '../image/boxes.ts';
import type { Model } from '../index.ts';
import { COMPARED_METHODS, METHOD_ROWS, METHODS, takesLayer } from '../methods.ts';
import type { Graph } from '../network/graph.ts';
import { Journal, settingsKey } from '../node/journal.ts';
import { checkOutputFolder, writeFilesAtomically } from '../node/output.ts';
import type { ExplainOptions, FusedOptions, FusionOptions, ResolvedOptions } from '../options.ts';
import { SCENE_CLASSES } from '../scenes/classes.ts';
import { VERSION } from '../version.ts';
import type { Context } from './context.ts';
import { methodsAsJson, toCsv, toTable } from './evaluate-report.ts';
import { chooseSet, type Example, type ExampleSet, type SetFlags } from './evaluate-sets.ts';
import { callTraits, checkCall } from './explain.ts';
import {
  commonOptions,
  DEFAULT_FOLDER,
  type ExplainFlags,
  explainOnlyOptions,
  explainOptions,
  FIGURE_SMOOTHING,
  idleFlagNotes,
  layerOptions,
  parseIntegers,
  parseNumber,
} from './flags.ts';
import { chooseMethods, type ListedMethod } from './method.ts';
import { percent, toJson } from './result.ts';
import { chooseModel, classCount, type ModelChoice, openGpu, openModel } from './setup.ts';

export interface EvaluateFlags extends Omit<ExplainFlags, 'samples' | 'stdDev'>, SetFlags {
  methods?: string;
  samples?: number[];
  stdDev?: number[];
  threshold?: number;
  csv?: string;
}

const SMOOTH_METHODS = METHODS.filter((name) => METHOD_ROWS[name].isSmooth).join(', ');

/** Of the intervals, fewer pictures than this make rough ones. */
const FEW_PICTURES = 20;

/** The options of `explain` that mean the same here. */
const SHARED_OPTIONS = [
  ...[
    'layer',
    'fusion',
    'noiseScale',
    'score',
    'sampleWeights',
    'preset',
    'alphaNumerator',
    'alphaDenominator',
    'alphaEpsilon',
  ],
  ...['alphaGuard', 'alphaNormalization', 'alphaGradient', 'activations', 'batch'],
];

export function evaluateOptions(): Option[] {
  const { samples, stdDev } = FIGURE_SMOOTHING;
  return [
    new Option('--scenes <n>', 'measure on so many drawn scenes, each with its main class').argParser(parseNumber),
    new Option('--instances <n>', 'with --scenes: objects of the main class, 1 to 4 (default: drawn)').argParser(
      parseNumber,
    ),
    new Option('--images <folder>', 'measure on the pictures of this folder that have a ground truth'),
    new Option(
      '--masks <folder|file>',
      'trimaps STEM.trimap.png or STEM.png, or COCO annotations.json (default: the folder of --images)',
    ),
    new Option(
      '--category <name>',
      'COCO category whose objects count (default: the one that covers most of the picture)',
    ),
    new Option('--class <index|label>', 'with --images: the class to explain (default: the most probable one)'),
    new Option(
      '--methods <name|file.mjs,…>',
      'methods by name, or .mjs files that define them; the others are compared with the first ' +
        `(default: ${COMPARED_METHODS.join(',')})`,
    ),
    new Option(
      '--samples <n,…>',
      `noisy copies for ${SMOOTH_METHODS}, each number a method of its own (default: ${samples})`,
    ).argParser(parseIntegers),
    new Option(
      '--std-dev <sigma,…>',
      `standard deviations of the noise for ${SMOOTH_METHODS}, likewise (default: ${stdDev})`,
    ).argParser((text) => text.split(',').map(parseNumber)),
    new Option(
      '--threshold <share>',
      `share of its maximum at which a map is cut for IoU and recall (default: ${DEFAULT_THRESHOLD})`,
    ).argParser(parseNumber),
    new Option('--seed <n>', 'seed of the scenes, the noise and the resampling (default: 0)').argParser(parseNumber),
    ...explainOnlyOptions().filter((option) => SHARED_OPTIONS.includes(option.attributeName())),
    new Option('--csv <file>', 'write the table as CSV, too'),
    new Option(
      '--out <folder>',
      `folder of what was measured on each picture; a run that was interrupted goes on from it (default: ${DEFAULT_FOLDER})`,
    ),
    ...commonOptions(),
  ];
}

/** What is wrong with the call is found before any work. */
export async function evaluateCommand(flags: EvaluateFlags, context: Context): Promise<void> {
  const { terminal, signal } = context;
  const seed = flags.seed ?? 0;
  const threshold = checkThreshold(flags.threshold ?? DEFAULT_THRESHOLD);
  const folder = flags.out ?? DEFAULT_FOLDER;
  const choice = await chooseModel(flags, context, flags.images !== undefined);
  const classIndex = oneClass(flags.class, choice);
  const variants = await methodVariants(flags);
  const options = variants.map((variant) => optionsInForce({ ...variant.options, seed, classIndex }, choice.graph));
  const set = await chooseSet(flags, seed, classIndex);
  // The seed is also that of the scenes and of the resampling.
  for (const note of idleFlagNotes({ ...flags, seed: undefined }, callTraits(options))) terminal.note(note);
  await checkOutputFolder('--out', folder);
  if (flags.csv !== undefined) await checkCsv(flags.csv);
  if (flags.scenes !== undefined) checkSceneClasses(choice, context);
  noteUnlabelled(set, context);

  const gpu = await openGpu(flags);
  try {
    const model = await openModel(gpu, choice, context);
    const run: EvaluationRun = { model, set, variants, threshold, seed };
    const settings = {
      version: VERSION,
      set: set.description,
      seed,
      methods: variants.map(({ name, file }, m) => ({ name, file, options: options[m] })),
      threshold,
      thresholds: THRESHOLDS,
      model: {
        name: model.name,
        width: choice.variant.width,
        classes: model.classCount,
        weights: weightsIdentity(model),
        precision: model.weights.precision,
      },
      adapter: gpu.adapterInfo,
    };
    const journal = join(folder, `evaluate-${settingsKey(settings).slice(0, 12)}.jsonl`);
    const { tally, predicted } = await measureAll(run, journal, settings, context);
    const summary = tally.summarize({ seed });
    if (!summary) {
      throw new OptionError(
        '--masks',
        flags.masks ?? flags.images,
        'ground truth in which at least one pixel is object',
      );
    }
    if (summary.pictures < FEW_PICTURES) {
      terminal.note(`Of ${summary.pictures} pictures the intervals are rough, and rather too narrow.`);
    }
    if (flags.csv !== undefined) {
      const content = new Map([[basename(flags.csv), toCsv(summary, threshold)]]);
      await writeFilesAtomically(dirname(flags.csv), content, signal);
    }
    const accuracy = flags.scenes === undefined ? undefined : predicted / summary.pictures;
    terminal.print(
      flags.json
        ? toJson(describe(run, summary, accuracy, { settings, journal }))
        : [
            `${set.title}; ${summary.pictures} measured, with ${summary.instances} objects; ${model.name}`,
            ...(accuracy === undefined ? [] : [`the main class is predicted for ${percent(accuracy)} of the scenes`]),
            toTable(summary, threshold),
            `In brackets: ${100 * DEFAULT_BOOTSTRAP.level} % bootstrap intervals. For each picture: ${journal}`,
          ].join('\n'),
    );
  } finally {
    gpu.dispose();
  }
}

interface EvaluationRun {
  readonly model: Model;
  readonly set: ExampleSet;
  readonly variants: readonly ListedVariant[];
  readonly threshold: number;
  readonly seed: number;
}

// --- The call ---

function checkThreshold(threshold: number): number {
  if (threshold > 0 && threshold <= 1) return threshold;
  throw new OptionError('--threshold', threshold, 'a share of the map’s maximum, above 0 and up to 1');
}

function oneClass(text: string | undefined, { labels }: ModelChoice): number | undefined {
  if (text === undefined) return undefined;
  const classes = findClasses(text, labels);
  if (classes.length > 1) throw new OptionError('--class', text, 'one class: it is explained in every picture');
  return classes[0];
}

type ListedVariant = MethodVariant & Pick<ListedMethod, 'file'>;

/** One result's, whose layers may be several. */
function optionsInForce(options: ExplainOptions | FusionOptions, graph: Graph): ResolvedOptions | FusedOptions {
  const { asked, fusion } = checkCall(options, graph);
  const [layers] = asked;
  return fusion === undefined ? layers[0] : { ...layers[0], layerName: layers.map((each) => each.layerName!), fusion };
}

/**
 * The methods of the call. Smoothing counts for the smooth methods only; the others take the clean picture. Several layers are
 * as many methods, unless they are fused.
 */
async function methodVariants(flags: EvaluateFlags): Promise<ListedVariant[]> {
  const { samples: _, stdDev: __, ...shared } = flags;
  const common = explainOptions(shared);
  const methods = await chooseMethods(flags.methods ?? COMPARED_METHODS.join(','), '--methods');
  return methods.flatMap(({ method, file }) => {
    const { isSmooth } = methodOf(method);
    const smoothings = isSmooth ? smoothingsOf(flags) : [{ nSamples: 0, stdDev: undefined }];
    const layers = takesLayer(methodOf(method)) ? layersOf(flags) : [{ layerName: undefined }];
    return layers.flatMap((layer) =>
      smoothings.map(({ nSamples, stdDev }) => {
        const noise = `n=${nSamples}${nSamples === 0 ? '' : ` std-dev=${stdDev}`}`;
        const parts = [
          methodName(method),
          ...(layers.length > 1 ? [`${layer.layerName}`] : []),
          ...(smoothings.length > 1 ? [noise] : []),
        ];
        const options = { ...common, ...layer, method, nSamples, stdDev } as MethodVariant['options'];
        return { name: parts.join(' '), file, options };
      }),
    );
  });
}

/** One by one, or all to be fused. */
function layersOf(flags: EvaluateFlags) {
  const { layerName, fusion } = layerOptions(flags);
  if (fusion !== undefined) return [{ layerName, fusion }];
  return [layerName].flat().map((name) => ({ layerName: name }));
}

/** Every n with every σ, each once; without noise there is no σ to tell apart. */
function smoothingsOf(flags: EvaluateFlags): Required<Pick<ExplainOptions, 'nSamples' | 'stdDev'>>[] {
  const samples = [...new Set(flags.samples ?? [FIGURE_SMOOTHING.samples])];
  const stdDevs = [...new Set(flags.stdDev ?? [FIGURE_SMOOTHING.stdDev])];
  return samples.flatMap((nSamples) =>
    (nSamples === 0 ? stdDevs.slice(0, 1) : stdDevs).map((stdDev) => ({ nSamples, stdDev })),
  );
}

async function checkCsv(file: string): Promise<void> {
  await checkOutputFolder('--csv', dirname(file));
  const found = await stat(file).catch(() => undefined);
  if (found?.isDirectory()) throw new OptionError('--csv', file, 'a file; this is a folder');
}

function checkSceneClasses({ known, graph }: ModelChoice, { terminal }: Context): void {
  const classes = classCount(graph);
  const needed = SCENE_CLASSES.length;
  if (classes < needed) {
    throw new OptionError('--model', known.name, `a network of the ${needed} classes of scenes; this has ${classes}`);
  }
  if (classes > needed) {
    terminal.note(`${known.name} has ${classes} classes, scenes have ${needed}: the numbers will mean nothing.`);
  }
}

function noteUnlabelled({ unlabelled }: ExampleSet, { terminal }: Context): void {
  if (unlabelled.length === 0) return;
  const shown = unlabelled.slice(0, 3).join(', ');
  const rest = unlabelled.length > 3 ? ' …' : '';
  terminal.note(`Left out, for want of a ground truth: ${unlabelled.length} (${shown}${rest})`);
}

/** Random weights have no checksum; their origin holds the seed that makes them. */
function weightsIdentity({ weights }: Model): string {
  return weights.checksum ?? weights.origin;
}

// --- The work ---

/** A line of the journal. */
interface JournalLine {
  readonly id: string;
  readonly fingerprint: string;
  /** null where no pixel was known to be object. */
  readonly result: PictureEvaluation | null;
}

/** Measures on every example that the journal does not have yet. */
async function measureAll(
  run: EvaluationRun,
  path: string,
  settings: object,
  { terminal, signal }: Context,
): Promise<{ tally: Tally; predicted: number }> {
  const { set, variants } = run;
  const tally = new Tally(
    set.count,
    variants.map(({ name }) => name),
  );
  const done = new Set<number>();
  let predicted = 0;
  const take = (index: number, { result }: JournalLine) => {
    done.add(index);
    if (!result) return;
    tally.set(index, result);
    if (result.predictedIndex === result.classIndex) predicted++;
  };

  const indices = new Map(Array.from({ length: set.count }, (_, index) => [set.example(index).id, index]));
  const journal = await Journal.open(path, settings, (line) => {
    if (!isJournalLine(line, variants.length)) return false;
    const index = indices.get(line.id);
    const isCurrent = index !== undefined && set.example(index).fingerprint === line.fingerprint;
    if (isCurrent && !done.has(index)) take(index, line);
    return true;
  });
  if (done.size > 0) terminal.note(`${done.size} of ${set.count} were measured before and are taken from ${path}`);

  const bar = terminal.progress('pictures', String);
  try {
    for (let index = 0; index < set.count; index++) {
      if (done.has(index)) continue;
      bar.update(done.size, set.count);
      const line = await measureExample(run, set.example(index), signal);
      await journal.append(line);
      take(index, line);
    }
  } finally {
    bar.stop();
    await journal.close();
    if (signal.aborted) {
      terminal.note(`${done.size} of ${set.count} are measured; the same command goes on from there (${path}).`);
    }
  }
  return { tally, predicted };
}

async function measureExample(run: EvaluationRun, example: Example, signal: AbortSignal): Promise<JournalLine> {
  const { model, variants, threshold, seed } = run;
  const { id, fingerprint } = example;
  const { picture, truth, classIndex } = await example.load();
  // The same noise for all methods of a picture, and another for each picture.
  const noise = derivedSeed(seed, `noise of ${id}`);
  const seeded = variants.map(({ name, options }) => ({ name, options: { ...options, seed: noise } }));
  const result = await evaluatePicture(model, picture, truth, seeded, { classIndex, threshold, signal });
  return { id, fingerprint, result: result ?? null };
}

function isJournalLine(line: unknown, methods: number): line is JournalLine {
  const { id, fingerprint, result } = (line ?? {}) as Partial<JournalLine>;
  return (
    typeof id === 'string' && typeof fingerprint === 'string' && (result === null || result?.maps?.length === methods)
  );
}

// --- The results ---

/** What --json prints: nothing that depends on when and in how many runs it was measured. */
function describe(
  { model, set, threshold }: EvaluationRun,
  summary: Summary,
  accuracy: number | undefined,
  { settings, journal }: { settings: { methods: unknown; adapter: unknown; seed: number }; journal: string },
): object {
  return {
    set: { ...set.description, count: set.count, unlabelled: set.unlabelled.length },
    model: { name: model.name, weights: model.weights },
    adapter: settings.adapter,
    pictures: summary.pictures,
    withoutObject: set.count - summary.pictures,
    instances: summary.instances,
    objectShare: summary.objectShare,
    accuracy,
    bootstrap: { method: 'BCa', ...DEFAULT_BOOTSTRAP, seed: settings.seed },
    methods: methodsAsJson(summary, threshold),
    options: settings.methods,
    journal,
  };
}
