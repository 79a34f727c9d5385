import type { Gpu } from '../gpu/gpu.ts';
import type { AUTO_MODEL, LoadModelOptions, Model, ModelName } from '../index.ts';
import { loadModel as loadModelFrom } from '../index.ts';
import { fileCache, nodeStore } from './files.ts';

/**
 * The core's loadModel with Node's defaults: weights may be paths and folders, those of the built-in model among them, and
 * what is downloaded is kept in files (see fileCache).
 *
 * @throws as the core's loadModel does.
 */
export function loadModel(
  gpu: Gpu,
  name: ModelName | typeof AUTO_MODEL,
  options: LoadModelOptions = {},
): Promise<Model> {
  const { store = nodeStore(), cache = fileCache() } = options;
  return loadModelFrom(gpu, name, { ...options, store, cache });
}
