import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Plugin } from 'vite';

const SHADERS = join(import.meta.dirname, '../shaders');

/**
 * Signs that need no space beside them. Not among them are those that another would make a different one of, '-' before '-'
 * or '>' before '='.
 */
const SPACED_SIGNS = / *([,;:{}()+]|(?<![<>=!] *)=(?!=)) */g;

/** An operator between two values. */
const OPERATORS = /(?<=[\w)\]]) ([-+*/%<>=!&|^]+) (?=[\w(])/g;

/**
 * A WGSL source without comments, indentation, empty lines and spaces beside signs, its functions' own names short: a third of
 * what a page would download of the library otherwise. Lines stay lines, for `#if` and for the messages of compilers, and so do
 * all names that anything outside a function knows.
 */
export function stripWgsl(code: string): string {
  return shortenLocals(withoutComments(code))
    .split('\n')
    .map((line) => line.trim())
    .map((line) => (line.startsWith('#') ? line : line.replace(SPACED_SIGNS, '$1').replace(OPERATORS, '$1')))
    .filter((line) => line !== '')
    .join('\n');
}

function withoutComments(code: string): string {
  return code.replace(/\/\/.*$/gm, '');
}

/** Identifiers that stand for something by themselves: no members, no attributes with what they are given, no `#if`. */
const NAMES = /^#.*$|@\w+(?:\([^)]*\))?|\.\w+|\d[\w.]*|[A-Za-z_]\w*/gm;
/** A function, from its first column to the brace that closes it in the first column. */
const FUNCTIONS = /^fn [\s\S]*?^\}/gm;

/**
 * Gives the parameters and variables of a file's functions names of a letter, the same in all of them. A name that is also one of
 * a module, in whichever file, stays.
 */
function shortenLocals(code: string): string {
  const taken = new Set([...moduleNames(), ...(code.match(NAMES) ?? [])]);
  const free = shortNames().filter((name) => !taken.has(name));
  const short = new Map<string, string>();
  for (const [text] of code.matchAll(FUNCTIONS)) {
    for (const name of localsOf(text)) {
      const next = free[short.size];
      if (next !== undefined && name.length > next.length && !short.has(name) && !moduleNames().has(name)) {
        short.set(name, next);
      }
    }
  }
  return code.replace(FUNCTIONS, (text) => text.replace(NAMES, (name) => short.get(name) ?? name));
}

/** What a function declares, in order. */
function localsOf(text: string): string[] {
  const body = text.indexOf('{');
  const parameters = text.slice(text.indexOf('('), body).matchAll(/(\w+) *:/g);
  const variables = text.slice(body).matchAll(/\b(?:let|var|const) +(\w+)/g);
  return [...parameters, ...variables].map(([, name]) => name!);
}

/** a … z, A … Z, and with a digit behind them: none is a word of WGSL. */
function shortNames(): string[] {
  const letters = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'];
  return [...letters, ...letters.map((letter) => `${letter}0`), ...letters.map((letter) => `${letter}1`)];
}

let knownModuleNames: ReadonlySet<string> | undefined;

/** Names that any kernel declares outside functions: those of a library are names of all kernels that stand on it. */
function moduleNames(): ReadonlySet<string> {
  knownModuleNames ??= new Set(
    readdirSync(SHADERS, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.wgsl'))
      .flatMap((file) => {
        const code = withoutComments(readFileSync(join(SHADERS, file), 'utf8'));
        const outside = code.replace(FUNCTIONS, (text) => text.slice(0, text.indexOf('(')));
        return [...outside.matchAll(/\b(?:fn|struct|alias|const|override|var(?:<[^>]*>)?) +(\w+)/g)].map(
          ([, name]) => name!,
        );
      }),
  );
  return knownModuleNames;
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
