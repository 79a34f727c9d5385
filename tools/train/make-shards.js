/**
 * Draws scenes with the package's own generator and writes them as shards that train.py reads:
 *
 *   node tools/train/make-shards.js FOLDER FIRST_SEED COUNT
 *
 * For every 1,000 scenes, FOLDER/SEED.rgb holds uint8 [1000, 224, 224, 3] and FOLDER/SEED.json, which is written last,
 * the classes and the boxes of the main class's objects. Shards that are there already are left as they are.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'vite';

const SCENES_PER_SHARD = 1000;
const SIZE = 224;

const [folder, firstSeed, count] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
if (!folder || !Number.isSafeInteger(firstSeed) || !Number.isSafeInteger(count) || count % SCENES_PER_SHARD !== 0) {
  console.error(
    `usage: node tools/train/make-shards.js FOLDER FIRST_SEED COUNT, COUNT a multiple of ${SCENES_PER_SHARD}`,
  );
  process.exit(2);
}

const { drawScene, SCENE_CLASSES } = await importScenes();
await mkdir(folder, { recursive: true });
for (let seed = firstSeed; seed < firstSeed + count; seed += SCENES_PER_SHARD) await writeShard(seed);

async function writeShard(seed) {
  const stem = join(folder, String(seed));
  if (existsSync(`${stem}.json`)) return;
  const scenes = [];
  const file = await open(`${stem}.rgb`, 'w');
  try {
    for (let i = 0; i < SCENES_PER_SHARD; i++) {
      const scene = drawScene(seed + i, { size: SIZE });
      await file.write(withoutAlpha(scene.data));
      const ofMainClass = scene.instances.filter(({ classIndex }) => classIndex === scene.classIndex);
      const boxes = ofMainClass.map(({ box }) => [box.left, box.top, box.width, box.height]);
      scenes.push({ class: scene.classIndex, boxes });
    }
  } finally {
    await file.close();
  }
  await writeFile(`${stem}.partial`, JSON.stringify({ size: SIZE, classes: SCENE_CLASSES, scenes }));
  await rename(`${stem}.partial`, `${stem}.json`);
}

function withoutAlpha(rgba) {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    rgb[to++] = rgba[from];
    rgb[to++] = rgba[from + 1];
    rgb[to++] = rgba[from + 2];
  }
  return rgb;
}

/** The generator is TypeScript, which Node 20 does not read. */
async function importScenes() {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const outDir = await mkdtemp(join(tmpdir(), 'scenes-'));
  const rolldownOptions = { input: join(root, 'src/scenes/scene.ts'), output: { entryFileNames: 'scene.mjs' } };
  await build({
    root,
    configFile: false,
    logLevel: 'warn',
    build: { ssr: true, target: 'esnext', minify: false, outDir, emptyOutDir: true, rolldownOptions },
  });
  try {
    return await import(pathToFileURL(join(outDir, 'scene.mjs')).href);
  } finally {
    await rm(outDir, { recursive: true });
  }
}
