/** A scene as JSON, in the terms of COCO's annotations, so that its tools read the masks. */
import { SCENE_CLASSES } from './classes.ts';
import type { Scene, SceneInstance } from './scene.ts';

/** COCO's uncompressed run lengths: column by column, of 0 and 1 in turn, beginning with 0. */
export interface RunLengths {
  readonly size: readonly [height: number, width: number];
  readonly counts: readonly number[];
}

export interface SceneRecord {
  readonly seed: number;
  readonly width: number;
  readonly height: number;
  /** The main class. */
  readonly classIndex: number;
  readonly label: string;
  readonly instances: readonly {
    readonly classIndex: number;
    readonly label: string;
    /** [left, top, width, height] in pixels. */
    readonly bbox: readonly [number, number, number, number];
    /** Visible pixels. */
    readonly area: number;
    readonly segmentation: RunLengths;
  }[];
}

/** What there is to know of a scene, without its pixels. */
export function sceneRecord(scene: Scene): SceneRecord {
  const { seed, width, height, classIndex } = scene;
  const label = SCENE_CLASSES[classIndex]!;
  const instances = scene.instances.map(({ classIndex, mask, box }) => ({
    classIndex,
    label: SCENE_CLASSES[classIndex]!,
    bbox: [box.left, box.top, box.width, box.height] as const,
    area: mask.reduce((sum, visible) => sum + visible, 0),
    segmentation: runLengths(mask, width, height),
  }));
  return { seed, width, height, classIndex, label, instances };
}

function runLengths(mask: SceneInstance['mask'], width: number, height: number): RunLengths {
  const counts: number[] = [];
  let [value, run] = [0, 0];
  for (let column = 0; column < width; column++) {
    for (let row = 0; row < height; row++) {
      if (mask[row * width + column] !== value) {
        counts.push(run);
        [value, run] = [1 - value, 0];
      }
      run++;
    }
  }
  counts.push(run);
  return { size: [height, width], counts };
}
