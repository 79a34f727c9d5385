/**
 * Addresses whose weights have come to the last byte. What the browser keeps of a folder may be some of its files: only here is
 * known that there are no more, and that a link to it is opened without a request. Browsers empty a page's storage all at once,
 * this with the files.
 */
const KEY = 'gradcam-webgpu: whole weights';

export function rememberWhole(url: string): void {
  write([...new Set([...read(), url])]);
}

export function cameWhole(url: string): boolean {
  return read().includes(url);
}

export function forgetWhole(): void {
  write([]);
}

function read(): readonly string[] {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? '[]');
  } catch {
    // No storage, as in a sandboxed frame.
    return [];
  }
}

function write(urls: readonly string[]): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(urls));
  } catch {
    // No storage, or none left: a link's weights then wait for a click.
  }
}
