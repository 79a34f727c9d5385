/**
 * The first map of a page, in Node: `node first-map.js MODULE WEIGHTS` imports the page's built module, which sets explain, Gpu
 * and loadModel on globalThis, loads the built-in model from the address WEIGHTS, explains, draws, and prints the names of the
 * chunks that ran, as JSON.
 */
import { pathToFileURL } from 'node:url';
import { create } from 'webgpu';

const [page, weights] = process.argv.slice(2);
const loadedChunks = [];
const entry = create([]);
Object.assign(globalThis, { loadedChunks, window: globalThis });
await import(pathToFileURL(page).href);
const gpu = await globalThis.Gpu.request({ gpu: entry });
const model = await globalThis.loadModel(gpu, 'vgg16-scenes', { weights });
const data = Uint8Array.from({ length: 3 * 64 * 64 }, (_, i) => (i * 7) % 256);
const result = await globalThis.explain(model, { data, width: 64, height: 64 }, { nSamples: 2, stdDev: 0.15 });
await result.overlay();
gpu.dispose();
console.log(JSON.stringify(loadedChunks));
process.exit(0);
