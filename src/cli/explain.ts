import { methodOf } from '../custom-method.ts';
import { OptionError } from '../errors.ts';
import { explain } from '../index.ts';
import { takesPath } from '../methods.ts';
import type { Graph } from '../network/graph.ts';
import { checkOutputFolder } from '../node/output.ts';
import { type ExplainOptions, type ResolvedOptions, resolveOptions } from '../options.ts';
import type { Context } from './context.ts';
import { DEFAULT_FOLDER, type ExplainFlags, explainOptions, idleFlagNotes } from './flags.ts';
import { findClasses } from './labels.ts';
import { chooseMethod } from './method.ts';
import { resultStem, summarize, toJson, writeResult } from './result.ts';
import { checkedPictures, chooseModel, classCount, openGpu, openModel, type PictureSource, SCENE } from './setup.ts';

/** `gradcam explain [IMAGE…]`: a result for each picture and class. What is wrong with the call is found before any work. */
export async function explainCommand(files: readonly string[], flags: ExplainFlags, context: Context): Promise<void> {
  const { terminal, env, signal } = context;
  const folder = flags.out ?? DEFAULT_FOLDER;
  const choice = await chooseModel(flags, env, files.length > 0);
  const options = { ...explainOptions(flags), method: await chooseMethod(flags.method) };
  const classes = flags.class === undefined ? undefined : findClasses(flags.class, choice.labels);
  for (const classIndex of classes ?? []) checkOptions({ ...options, classIndex }, choice.graph);
  const { nSamples, method } = checkOptions(options, choice.graph);
  const traits = {
    isNoisy: nSamples > 0,
    hasAlpha: methodOf(method).weights === 'alpha',
    hasGradient: methodOf(method).needsGradient,
    hasPath: takesPath(methodOf(method)),
  };
  for (const note of idleFlagNotes(flags, traits)) terminal.note(note);
  await checkOutputFolder('--out', folder);
  checkStems(files);
  const pictures: PictureSource[] = files.length > 0 ? await checkedPictures(files) : [SCENE];

  const gpu = await openGpu(flags);
  try {
    const loadStart = performance.now();
    const model = await openModel(gpu, choice, context);
    const loadModelMs = performance.now() - loadStart;

    for (const { file, read } of pictures) {
      const readStart = performance.now();
      const picture = await read();
      const readPictureMs = performance.now() - readStart;

      const bar = terminal.progress('samples', String);
      const onProgress = ({ done, total }: { done: number; total: number }) => bar.update(done, total);
      const call = { ...options, signal, onProgress };
      const results = await (classes
        ? explain(model, picture, { ...call, classIndex: classes })
        : explain(model, picture, call).then((result) => [result])
      ).finally(() => bar.stop());
      for (const result of results) {
        const record = await writeResult(result, {
          file,
          oneOfSeveralClasses: results.length > 1,
          folder,
          flags,
          gpu,
          model,
          labels: choice.labels,
          timings: { loadModel: loadModelMs, readPicture: readPictureMs },
          signal,
        });
        terminal.print(flags.json ? toJson(record) : summarize(result, record));
      }
    }
    // What --tune full has begun serves later calls only.
    await gpu.idle.settled();
  } finally {
    gpu.dispose();
  }
}

/** explain() checks its options against the loaded model; the network alone is enough for that, and there at once. */
export function checkOptions(options: ExplainOptions, graph: Graph): ResolvedOptions {
  return resolveOptions(options, {
    classCount: classCount(graph),
    pooledLayer: graph.pooledLayer?.name,
    resolveLayer: (name) => {
      const layer = graph.layer(name).name;
      return { name: layer, shape: graph.shape(layer) };
    },
  });
}

/** Results are named after pictures, so those of one call must differ in more than folder and extension. */
function checkStems(files: readonly string[]): void {
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
