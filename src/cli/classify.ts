import { classify } from '../index.ts';
import type { Context } from './context.ts';
import type { CommonFlags } from './flags.ts';
import { percent, toJson } from './result.ts';
import { checkedPictures, chooseModel, openGpu, openModel } from './setup.ts';

/** `gradcam classify IMAGE…`: the most probable classes of each picture. */
export async function classifyCommand(files: readonly string[], flags: CommonFlags, context: Context): Promise<void> {
  const { terminal, signal } = context;
  const choice = await chooseModel(flags, context, true);
  const pictures = await checkedPictures(files);
  const gpu = await openGpu(flags);
  try {
    const model = await openModel(gpu, choice, context);
    for (const { file, read } of pictures) {
      const predictions = await classify(model, await read(), { fit: flags.fit, signal });
      if (flags.json) {
        terminal.print(toJson({ image: file, model: model.name, predictions }));
        continue;
      }
      terminal.print(`${file}`);
      for (const { classIndex, label, probability } of predictions) {
        const index = String(classIndex).padStart(6);
        terminal.print(`${index}  ${percent(probability).padStart(7)}  ${label ?? ''}`.trimEnd());
      }
    }
    // What --tune full has begun serves later calls only.
    await gpu.idle.settled();
  } finally {
    gpu.dispose();
  }
}
