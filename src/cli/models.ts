import { MODELS } from '../network/models.ts';
import type { Context } from './context.ts';

/** `gradcam models`: the known models, where their weights are published, and what pixels they expect. */
export async function modelsCommand(flags: { json?: boolean }, { terminal }: Context): Promise<void> {
  for (const { table, ...model } of MODELS) {
    const { preprocessing } = table();
    if (flags.json) {
      terminal.print(JSON.stringify({ ...model, preprocessing }));
      continue;
    }
    const size = `${(model.parameters / 1e6).toFixed(1)} M parameters, ${(model.bytes / 1e6).toFixed(0)} MB in float32`;
    terminal.print(`${model.name.padEnd(13)} ${model.title}; ${size}`);
    for (const { url, format, checksum, note } of model.sources) {
      terminal.print(`              ${url}`);
      terminal.print(`              ${format}; ${note}; checksum ${checksum ?? 'not known'}`);
    }
  }
  if (flags.json) return;
  terminal.print('');
  terminal.print('The pixels that a model expects follow from its weights file:');
  for (const [convention, p] of Object.entries(MODELS[0]!.table().preprocessing)) {
    const order = p.channelOrder.split('').join(', ').toUpperCase();
    terminal.print(
      `  ${convention.padEnd(6)} ${order}; (v × ${p.scale === 1 ? 1 : '1/255'} - mean) / std of 8-bit values v; ` +
        `mean ${p.mean.join(', ')}; std ${p.std.join(', ')}`,
    );
  }
}
