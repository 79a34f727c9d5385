/** The real weights next to the project, where they are. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, type TestContext } from 'vitest';
import { nodeStore } from '../../src/node/files.ts';
import { openWeights } from '../../src/weights/source.ts';
import { readAll, weightsErrorOf } from './helpers.ts';

const models = fileURLToPath(new URL('../../../shared/models', import.meta.url));

/** The model's folder; without it the test is skipped, saying so. */
function folderOf(name: string, { skip }: TestContext): string {
  const folder = join(models, name);
  if (!existsSync(folder)) skip(`../shared/models/${name} is absent`);
  return folder;
}

interface Weight {
  name: string;
  quantization: { scale: number; min: number };
}

describe('real weights', () => {
  it('of VGG-19 are complete and as the manifest says', async (context) => {
    const folder = folderOf('vgg19-imagenet', context);
    const file = await openWeights(folder, { store: nodeStore() });
    expect(file.tensors.get('fc1/kernel')).toMatchObject({ shape: [25088, 4096], encoding: { dtype: 'uint8' } });
    const { weightsManifest } = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8'));
    const [{ paths, weights }] = weightsManifest as [{ paths: string[]; weights: Weight[] }];
    const dequantise = (q: number, { quantization: { scale, min } }: Weight) =>
      Math.fround(Math.fround(q * Math.fround(scale)) + Math.fround(min));
    const ranges = new Map(weights.map((weight) => [weight.name, [dequantise(0, weight), dequantise(255, weight)]]));

    let parameters = 0;
    let outside = 0;
    const ends = new Map<string, { first: number; last: number }>();
    for await (const { tensor, values } of file.stream()) {
      const [low, high] = ranges.get(tensor.name)!;
      for (const value of values) if (!(value >= low! && value <= high!)) outside += 1;
      parameters += values.length;
      ends.set(tensor.name, { first: ends.get(tensor.name)?.first ?? values[0]!, last: values.at(-1)! });
    }
    expect(parameters).toBe(143_667_240);
    expect(outside).toBe(0);

    // The first and the last byte of all must have become the first tensor's first value and the last one's last.
    const firstShard = await readFile(join(folder, paths[0]!));
    const lastShard = await readFile(join(folder, paths.at(-1)!));
    expect(ends.get(weights[0]!.name)?.first).toBe(dequantise(firstShard[0]!, weights[0]!));
    expect(ends.get(weights.at(-1)!.name)?.last).toBe(dequantise(lastShard.at(-1)!, weights.at(-1)!));

    const hash = createHash('sha256');
    for (const path of paths) hash.update(await readFile(join(folder, path)));
    expect(file.checksum()).toBe(`sha256-${hash.digest('hex')}`);
  });

  it('that are absent are missed from their first shard on', async (context) => {
    const folder = folderOf('vgg16-topology', context);
    const error = await weightsErrorOf(async () => readAll(await openWeights(folder, { store: nodeStore() })));
    expect(error).toMatchObject({ file: join(folder, 'group1-shard1of1'), tensor: 'block1_conv1/kernel' });
    expect(error.message).toMatch(/no such file/);
  });
});
