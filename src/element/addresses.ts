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
  // Not location's: of a frame that is sandboxed, or has its page in `srcdoc`, that says nothing of what it may do.
  if (url.origin === self.origin) return new Worker(url, { type: 'module' });
  if (self.origin === 'null') return new Worker(`data:text/javascript,${encodeURIComponent(importing(url))}`);
  const code = new Blob([`import ${JSON.stringify(url.href)};`], { type: 'text/javascript' });
  return new Worker(URL.createObjectURL(code), { type: 'module' });
}

/**
 * A worker's script for a page of no origin, as a sandboxed frame is. Chromium 143 gives such a page modules neither from a blob
 * nor from a data: address, and takes a blob's worker for one that is not served securely, without WebGPU.
 *
 * @returns a script that is no module: what the page posts before the module has come, it keeps
 */
function importing(url: URL): string {
  return `const early = [];
    const keep = (event) => early.push(event);
    addEventListener('message', keep);
    import(${JSON.stringify(url.href)}).then(() => {
      removeEventListener('message', keep);
      for (const { data, ports } of early) dispatchEvent(new MessageEvent('message', { data, ports }));
    }, reportError);`;
}

export function builtInWeights(): string {
  return new URL('../../models/vgg16-scenes.safetensors', import.meta.url).href;
}
