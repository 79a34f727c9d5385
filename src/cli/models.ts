import { Graph } from '../network/graph.ts';
import { MODELS } from '../network/models.ts';
import { halvedElements } from '../network/shapes.ts';
import type { Context } from './context.ts';
import { megabytes } from './setup.ts';

/** `gradcam models`: the known models, where their weights are published, and what pixels they expect. */
export async function modelsCommand(flags: { json?: boolean }, { terminal }: Context): Promise<void> {
  for (const { table, ...model } of MODELS) {
    const network = table();
    const { preprocessing } = network;
    const f16StorageBytes = model.bytes - 2 * halvedElements(new Graph(network));
    if (flags.json) {
      terminal.print(JSON.stringify({ ...model, f16StorageBytes, preprocessing }));
      continue;
    }
    terminal.print(`${model.name.padEnd(13)} ${model.title}`);
    terminal.print(
      `              ${(model.parameters / 1e6).toFixed(1)} M parameters, ${megabytes(model.bytes)} in float32, ` +
        `${megabytes(f16StorageBytes)} with --precision f16-storage`,
    );
    for (const { url, format, checksum, note } of model.sources) {
      terminal.print(`              ${url}`);
      terminal.print(`              ${format}; ${note}; checksum ${checksum ?? 'not known'}`);
    }
    if (model.sources.length === 0) terminal.print('              no published weights: yours with --weights');
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
