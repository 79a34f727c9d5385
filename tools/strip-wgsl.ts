import { readFile } from 'node:fs/promises';
import type { Plugin } from 'vite';

/**
 * Signs that need no space beside them. Not among them are those that another would make a different one of, '-' before '-'
 * or '>' before '='.
 */
const SPACED_SIGNS = / *([,;:{}()+]|(?<![<>=!] *)=(?!=)) */g;

/**
 * A WGSL source without comments, indentation, empty lines and spaces beside signs: a third of what a page would download of
 * the library otherwise. Lines stay lines, for `#if` and for the messages of compilers.
 */
export function stripWgsl(code: string): string {
  return code
    .split('\n')
    .map((line) => line.replace(/\/\/.*$/, '').trim())
    .map((line) => (line.startsWith('#') ? line : line.replace(SPACED_SIGNS, '$1')))
    .filter((line) => line !== '')
    .join('\n');
}

/** Strips the kernels that a build takes in; the sources stay as they are, and so do programs that run from them. */
export function strippedWgsl(): Plugin {
  return {
    name: 'stripped-wgsl',
    enforce: 'pre',
    async load(id) {
      const [file, query] = id.split('?');
      if (query !== 'raw' || !file!.endsWith('.wgsl')) return undefined;
      const code = await readFile(file!, 'utf8');
      // WGSL's other comments nest, which a line cannot tell.
      if (code.includes('/*')) this.error(`${file}: comments in kernels begin with //`);
      return `export default ${JSON.stringify(stripWgsl(code))};`;
    },
  };
}
