/** `gradcam` alone: the built-in model and a scene, by the methods that the paper compares, side by side. Needs no download. */
import { join } from 'node:path';
import { Option } from 'commander';
import { sideBySide } from '../image/side-by-side.ts';
import { explain, SCENE_CLASSES } from '../index.ts';
import { COMPARED_METHODS, METHOD_ROWS } from '../methods.ts';
import { adapterTitle } from '../node/adapters.ts';
import { encodePng } from '../node/image.ts';
import { checkOutputFolder, writeFilesAtomically } from '../node/output.ts';
import { DEFAULT_OPTIONS } from '../options.ts';
import type { Context } from './context.ts';
import { commonOptions, DEFAULT_FOLDER, type ExplainFlags } from './flags.ts';
import { percent } from './result.ts';
import { chooseModel, drawDemoScene, openGpu, openModel } from './setup.ts';

/** Noisy copies of the smooth methods. */
const SAMPLES = 8;

export type TourFlags = Pick<ExplainFlags, 'adapter' | 'limits' | 'out' | 'quiet'>;

export function tourOptions(): Option[] {
  const shared = ['adapter', 'limits', 'quiet'];
  return [
    new Option('--out <folder>', `folder for the picture (default: ${DEFAULT_FOLDER})`),
    ...commonOptions().filter((option) => shared.includes(option.attributeName())),
  ];
}

export async function tourCommand(flags: TourFlags, context: Context): Promise<void> {
  const { terminal, signal } = context;
  const started = performance.now();
  const folder = flags.out ?? DEFAULT_FOLDER;
  await checkOutputFolder('--out', folder);
  const choice = await chooseModel({}, context, false);
  const gpu = await openGpu(flags);
  try {
    const model = await openModel(gpu, choice, context);
    const scene = drawDemoScene();
    const counts = countsByLabel(scene.instances.map(({ classIndex }) => SCENE_CLASSES[classIndex]));
    terminal.print(`A drawn scene: ${counts}.`);

    const pictures = [scene];
    const headings = [['The scene']];
    for (const method of COMPARED_METHODS) {
      const { title, isSmooth } = METHOD_ROWS[method];
      const nSamples = isSmooth ? SAMPLES : DEFAULT_OPTIONS.nSamples;
      const result = await explain(model, scene, { method, nSamples, topK: 3, signal });
      if (pictures.length === 1) {
        const seen = result.predictions.map((p) => `${p.label} ${percent(p.probability)}`);
        terminal.print(`${model.name} sees: ${seen.join(', ')}`);
      }
      const samples = nSamples > 0 ? [`${nSamples} noisy copies`] : [];
      terminal.print(`  ${[title, ...samples].join(' with ')}: ${(result.timings.total / 1000).toFixed(2)} s`);
      pictures.push({ ...scene, ...(await result.overlay()) });
      headings.push([title, ...samples]);
    }
    const name = 'scene.methods.png';
    const sheet = await encodePng(sideBySide(pictures, { headings }));
    await writeFilesAtomically(folder, new Map([[name, sheet]]), signal);
    terminal.print(`The scene and the methods, side by side: ${join(folder, name)}`);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    terminal.print(`${seconds} s on ${adapterTitle(gpu.adapterInfo)}`);
  } finally {
    gpu.dispose();
  }
}

/** '3 × ring, 1 × key'. */
function countsByLabel(labels: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].map(([label, count]) => `${count} × ${label}`).join(', ');
}
