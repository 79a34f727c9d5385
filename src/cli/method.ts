/** `--method`: one of the library's, or one that a file of the user's defines. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { methodName } from '../custom-method.ts';
import { OptionError } from '../errors.ts';
import { type AnyMethod, defineMethod, METHODS, type MethodName } from '../index.ts';
import { nearMiss } from '../option-names.ts';
import { checksumOf } from '../weights/sha256.ts';

/**
 * Reads a method's file as a module: its default export is what defineMethod() takes or gives.
 *
 * @param option names the choice in messages
 * @throws OptionError
 */
export async function chooseMethod(given: string | undefined, option = '--method'): Promise<AnyMethod | undefined> {
  return given === undefined ? undefined : readMethod(given, option);
}

async function readMethod(given: string, option: string): Promise<AnyMethod> {
  if (METHODS.includes(given as MethodName)) return given as MethodName;
  if (!/\.m?js$/.test(given)) {
    const allowed = `${METHODS.join(', ')}, or a .mjs file of a method${nearMiss(given, METHODS)}`;
    throw new OptionError(option, given, allowed);
  }
  const definition = await readDefault(given, option);
  try {
    return defineMethod(definition as AnyMethod & object);
  } catch (cause) {
    if (!(cause instanceof OptionError)) throw cause;
    throw new OptionError(option, given, `a file whose default export is a method; ${cause.message}`);
  }
}

/** A method, and what its results depend on besides its name and its expression. */
export interface ListedMethod {
  readonly method: AnyMethod;
  /** 'sha256-<hex>' of the file that defines it: of a function nothing else is recorded. */
  readonly file: string | undefined;
}

/**
 * As chooseMethod(), for a list with commas between them, none twice.
 *
 * @throws OptionError
 */
export async function chooseMethods(list: string, option: string): Promise<ListedMethod[]> {
  const methods: ListedMethod[] = [];
  for (const given of list.split(',').map((part) => part.trim())) {
    const method = await readMethod(given, option);
    const file = typeof method === 'string' ? undefined : await checksumOf(await readFile(given));
    methods.push({ method, file });
  }
  const names = methods.map(({ method }) => methodName(method));
  if (new Set(names).size !== names.length) throw new OptionError(option, list, 'each method once');
  return methods;
}

async function readDefault(file: string, option: string): Promise<unknown> {
  try {
    const module = await import(/* @vite-ignore */ pathToFileURL(resolve(file)).href);
    return module.default;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new OptionError(option, file, `a file that can be read as a module; ${reason}`);
  }
}
