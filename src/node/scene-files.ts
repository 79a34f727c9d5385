/** Drawn scenes as files. */
import { sceneRecord } from '../scenes/record.ts';
import type { Scene } from '../scenes/scene.ts';
import { encodePng } from './image.ts';
import { writeFilesAtomically } from './output.ts';

/**
 * Writes STEM.png and STEM.json, the picture and its truth (see SceneRecord), into a folder, which is made if need be.
 *
 * @returns both paths, the picture's first.
 */
export async function writeScene(folder: string, stem: string, scene: Scene, signal?: AbortSignal): Promise<string[]> {
  const files = new Map<string, Uint8Array | string>([
    [`${stem}.png`, await encodePng(scene)],
    [`${stem}.json`, `${JSON.stringify(sceneRecord(scene))}\n`],
  ]);
  return writeFilesAtomically(folder, files, signal);
}
