/** Known answers: the same bytes in every runtime. No assertion library, so that the file runs in all of them. */
import { describe, it } from 'vitest';
import { SCENE_CLASSES } from '../../src/scenes/classes.ts';
import { drawScene, type SceneOptions } from '../../src/scenes/scene.ts';
import { StreamedSha256 } from '../../src/weights/sha256.ts';
import { assertEqual } from '../harness/assertions.ts';

/**
 * A change of these checksums is a change of what seeds mean: results on scenes are then not those of before, and the
 * trained model's stated accuracy was measured on others.
 */
const KNOWN: Record<string, { scenes: [seed: number, options: SceneOptions][]; checksum: string }> = {
  'the first seeds': {
    scenes: [0, 1, 2, 3, 4].map((seed) => [seed, {}]),
    checksum: '77f9c5663c6196285e0470457831567080f7a95d82e9b62d9aab9c7cd32293b2',
  },
  'the last seed': {
    scenes: [[Number.MAX_SAFE_INTEGER, {}]],
    checksum: '59f864d17c3539fc2495541292906c5da13d5705d462f326e41b62bb1cba35cc',
  },
  'every class': {
    scenes: SCENE_CLASSES.map((_, classIndex) => [classIndex, { size: 96, classIndex }]),
    checksum: 'b7b1ea12a572c109c9c505123262a026e077794fa32e97a8882c9742744e459a',
  },
  'four objects and others, small': {
    scenes: [[7, { size: 61, instances: 4, secondClass: true }]],
    checksum: '2f7091c8c32c37a62874e48b0225c884750e83a42d44a51df07236910d595848',
  },
};

describe('drawScene draws the same bytes everywhere', () => {
  for (const [name, { scenes, checksum }] of Object.entries(KNOWN)) {
    it(name, async () => assertEqual(await checksumOf(scenes), checksum, 'checksum of pixels, masks and boxes'));
  }
});

async function checksumOf(scenes: readonly [seed: number, options: SceneOptions][]): Promise<string> {
  const hash = new StreamedSha256();
  for (const [seed, options] of scenes) {
    const scene = drawScene(seed, options);
    await hash.update(new Uint8Array(scene.data.buffer));
    for (const { mask, box, classIndex } of scene.instances) {
      await hash.update(mask);
      await hash.update(
        new TextEncoder().encode(JSON.stringify([classIndex, box.left, box.top, box.width, box.height])),
      );
    }
  }
  return hash.hex();
}
