/** Drawn scenes as pictures, drawn in a worker: a large one would hold up a frame. */
import type { SceneDrawn, SceneWanted } from './scene-worker.ts';

/** Scenes that show something: many objects of a class, two classes, an object behind another, hard grounds. */
export const SAMPLES: readonly { readonly seed: number; readonly title: string }[] = [
  { seed: 15, title: 'Trees and a crescent' },
  { seed: 32, title: 'Crescents and houses' },
  { seed: 13, title: 'Four keys' },
  { seed: 14, title: 'Cups' },
  { seed: 38, title: 'Crescents behind things' },
  { seed: 49, title: 'Fish on a chequered ground' },
];

/** Side of a scene in pixels: twice the built-in model's input, for a picture that is sharp on the page. */
export const SCENE_SIZE = 448;

export class SceneDrawer {
  readonly #worker = new Worker(new URL('./scene-worker.ts', import.meta.url), { type: 'module', name: 'scenes' });
  readonly #waiting = new Map<number, { resolve(image: ImageData): void; reject(error: Error): void }>();
  #count = 0;

  constructor() {
    this.#worker.addEventListener('message', ({ data: { id, image } }: MessageEvent<SceneDrawn>) => {
      this.#waiting.get(id)?.resolve(image);
      this.#waiting.delete(id);
    });
    this.#worker.addEventListener('error', ({ message }) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(message || 'the worker did not start'));
      this.#waiting.clear();
    });
  }

  draw(seed: number, size: number): Promise<ImageData> {
    const id = this.#count++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, seed, size } satisfies SceneWanted);
    });
  }
}
