import { findClasses, findOneClass } from '../class-names.ts';
import { methodOf } from '../custom-method.ts';
import { OptionError } from '../errors.ts';
import { explain } from '../index.ts';
import { takesPath } from '../methods.ts';
import type { Graph } from '../network/graph.ts';
import { checkOutputFolder } from '../node/output.ts';
import type { AnyExplainOptions, ExplainOptions, ResolvedOptions } from '../options.ts';
import { type OptionContext, type ResolvedCall, resolveCall, resolveOptions } from '../resolve-options.ts';
import type { Context } from './context.ts';
import { summarizeDifference, writeDifference } from './difference.ts';
import {
  type CallTraits,
  DEFAULT_FOLDER,
  type ExplainFlags,
  explainOptions,
  idleFlagNotes,
  layerOptions,
} from './flags.ts';
import { chooseMethod } from './method.ts';
import { resultStem, summarize, toJson, writeResult } from './result.ts';
import { checkedPictures, chooseModel, classCount, openGpu, openModel, type PictureSource, SCENE } from './setup.ts';

/** `gradcam explain [IMAGE…]`: a result for each picture, class and layer. What is wrong with the call is found before any work. */
export async function explainCommand(files: readonly string[], flags: ExplainFlags, context: Context): Promise<void> {
  const { terminal, signal } = context;
  const folder = flags.out ?? DEFAULT_FOLDER;
  const choice = await chooseModel(flags, context, files.length > 0);
  const options = {
    ...explainOptions(flags),
    ...layerOptions(flags),
    method: await chooseMethod(flags.method),
    classIndex: flags.class === undefined ? undefined : findClasses(flags.class, choice.labels),
    contrast: flags.contrast === undefined ? undefined : findOneClass(flags.contrast, choice.labels, '--contrast'),
  } as AnyExplainOptions;
  const { asked, fusion } = checkCall(options, choice.graph);
  if (flags.difference && asked.length !== 2) {
    throw new OptionError('--class', flags.class, 'two classes with --difference, such as 285,281');
  }
  const layers = fusion === undefined ? asked[0].length : 1;
  for (const note of idleFlagNotes(flags, callTraits(asked.flat()))) terminal.note(note);
  await checkOutputFolder('--out', folder);
  checkStems(files);
  const pictures: PictureSource[] = files.length > 0 ? await checkedPictures(files) : [SCENE];

  const gpu = await openGpu(flags);
  try {
    const loadStart = performance.now();
    const model = await openModel(gpu, choice, context);
    const loadModelMs = performance.now() - loadStart;

    const refusals: OptionError[] = [];
    for (const { file, read } of pictures) {
      const readStart = performance.now();
      const picture = await read();
      const readPictureMs = performance.now() - readStart;

      const bar = terminal.progress('samples', String);
      const onProgress = ({ done, total }: { done: number; total: number }) => bar.update(done, total);
      const call: AnyExplainOptions = { ...options, signal, onProgress };
      const explained = await explain(model, picture, call)
        .catch((error) => {
          // Of the options, only whether the contrast is the class that the network chooses depends on the picture.
          if (!(error instanceof OptionError && error.option === 'contrast')) throw error;
          if (pictures.length > 1) terminal.error(`${file}: left out: ${error.message}`);
          refusals.push(error);
        })
        .finally(() => bar.stop());
      if (explained === undefined) continue;
      const results = Array.isArray(explained) ? explained : [explained];
      const resultContext = {
        file,
        oneOfSeveralClasses: asked.length > 1,
        oneOfSeveralLayers: layers > 1,
        folder,
        flags,
        gpu,
        model,
        labels: choice.labels,
        timings: { loadModel: loadModelMs, readPicture: readPictureMs },
        signal,
      };
      for (const result of results) {
        const record = await writeResult(result, resultContext);
        terminal.print(flags.json ? toJson(record) : summarize(result, record));
      }
      // Class by class, and of each layer by layer.
      for (const [i, result] of (flags.difference ? results.slice(0, layers) : []).entries()) {
        const record = await writeDifference(result, results[layers + i], resultContext);
        terminal.print(flags.json ? toJson(record) : summarizeDifference(record));
      }
    }
    const [refusal] = refusals;
    if (refusal && pictures.length === 1) throw refusal;
    if (refusal) {
      const allowed = `another class than the explained one, which it is on ${refusals.length} of ${pictures.length} pictures`;
      throw new OptionError('contrast', refusal.value, allowed);
    }
    // What --tune full has begun serves later calls only.
    await gpu.idle.settled();
  } finally {
    gpu.dispose();
  }
}

/** explain() checks its options against the loaded model; the network alone is enough for that, and there at once. */
export function checkCall(options: AnyExplainOptions, graph: Graph): ResolvedCall {
  return resolveCall(options, contextOf(graph));
}

/** The same of a call for one result. */
export function checkOptions(options: ExplainOptions, graph: Graph): ResolvedOptions {
  return resolveOptions(options, contextOf(graph));
}

function contextOf(graph: Graph): OptionContext {
  return {
    classCount: classCount(graph),
    pooledLayer: graph.pooledLayer?.name,
    resolveLayer: (name) => {
      const layer = graph.layer(name).name;
      return { name: layer, shape: graph.shape(layer) };
    },
  };
}

/** @param options in force, of all explanations of the call */
export function callTraits(options: readonly Pick<ResolvedOptions, 'nSamples' | 'method'>[]): CallTraits {
  return {
    isNoisy: options.some(({ nSamples }) => nSamples > 0),
    hasAlpha: options.some(({ method }) => methodOf(method).weights === 'alpha'),
    hasGradient: options.some(({ method }) => methodOf(method).needsGradient),
    hasPath: options.some(({ method }) => takesPath(methodOf(method))),
  };
}

/** Results are named after pictures, so those of one call must differ in more than folder and extension. */
export function checkStems(files: readonly string[]): void {
  const byStem = new Map<string, string>();
  for (const file of files) {
    const stem = resultStem(file);
    const other = byStem.get(stem);
    if (other !== undefined) {
      throw new OptionError('IMAGE', file, `pictures whose results have different names; ${other} is "${stem}" too`);
    }
    byStem.set(stem, file);
  }
}
