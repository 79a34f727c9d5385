/**
 * Where the worker and the built-in weights lie. Bundlers find both by these very words, and put them where the page can fetch
 * them. The build of the package (vite.config.ts) gives them the names that the files have in dist/.
 */

export function createWorker(): Worker {
  return new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'gradcam-webgpu' });
}

export function builtInWeights(): string {
  return new URL('../../models/vgg16-scenes.safetensors', import.meta.url).href;
}
