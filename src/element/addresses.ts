/**
 * Where the worker and the built-in weights lie. Bundlers find both by these very words, and put them where the page can fetch
 * them. The build of the package (vite.config.ts) gives them the names that the files have in dist/.
 */

export function createWorker(): Worker {
  try {
    return new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  } catch (error) {
    if (!(error instanceof DOMException && error.name === 'SecurityError')) throw error;
    // The package's own file beside this one; where a bundler has put another on another origin, the page gives its address.
    return createWorkerFrom(import.meta.url.replace(/[^/]*$/, 'element-worker.js'));
  }
}

/**
 * A page may not start a worker from another origin, such as a content delivery network, but one of its own may import from
 * there.
 *
 * @param address of a module, relative to the page
 */
export function createWorkerFrom(address: string | URL): Worker {
  const url = new URL(address, document.baseURI);
  if (url.origin === location.origin) return new Worker(url, { type: 'module' });
  const code = new Blob([`import ${JSON.stringify(url.href)};`], { type: 'text/javascript' });
  return new Worker(URL.createObjectURL(code), { type: 'module' });
}

export function builtInWeights(): string {
  return new URL('../../models/vgg16-scenes.safetensors', import.meta.url).href;
}
