/** Draws scenes off the main thread. */
import { drawScene } from 'gradcam-webgpu';

export interface SceneWanted {
  readonly id: number;
  readonly seed: number;
  /** Side in pixels. */
  readonly size: number;
}

export interface SceneDrawn {
  readonly id: number;
  readonly image: ImageData;
}

/** The project's types are those of pages, where `self` is a window. */
const scope = self as unknown as Worker;

scope.addEventListener('message', ({ data: { id, seed, size } }: MessageEvent<SceneWanted>) => {
  const { data, width, height } = drawScene(seed, { size });
  const image = new ImageData(data, width, height);
  scope.postMessage({ id, image } satisfies SceneDrawn, [image.data.buffer]);
});
