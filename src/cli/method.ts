/** `--method`: one of the library's, or one that a file of the user's defines. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { OptionError } from '../errors.ts';
import { type AnyMethod, defineMethod, METHODS, type MethodName } from '../index.ts';

/**
 * Reads a method's file as a module: its default export is what defineMethod() takes or gives.
 *
 * @throws OptionError
 */
export async function chooseMethod(given: string | undefined): Promise<AnyMethod | undefined> {
  if (given === undefined || METHODS.includes(given as MethodName)) return given as MethodName | undefined;
  if (!/\.m?js$/.test(given))
    throw new OptionError('--method', given, `${METHODS.join(', ')}, or a .mjs file of a method`);
  const definition = await readDefault(given);
  try {
    return defineMethod(definition as AnyMethod & object);
  } catch (cause) {
    if (!(cause instanceof OptionError)) throw cause;
    throw new OptionError('--method', given, `a file whose default export is a method; ${cause.message}`);
  }
}

async function readDefault(file: string): Promise<unknown> {
  try {
    const module = await import(/* @vite-ignore */ pathToFileURL(resolve(file)).href);
    return module.default;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new OptionError('--method', file, `a file that can be read as a module; ${reason}`);
  }
}
