/**
 * A kernel: WGSL text with `#if` for structure and `override` for numbers. Everything else that the host must know
 * (bindings, uniform fields) is read from the text itself, so that no fact about a shader stands in two places.
 */
import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { onDemand } from '../on-demand.ts';

/** WGSL that is at hand, as most kernels of a first map are, or comes when a pipeline is first made of it. */
export type WgslText = string | (() => Promise<{ readonly default: string }>);

/** A WGSL source file with the library files it stands on. */
export interface KernelSource {
  /** Name in messages and labels; by convention the file's stem. */
  readonly name: string;
  readonly code: WgslText;
  /** WGSL shared by several kernels, put behind `code`. */
  readonly libs?: readonly WgslText[];
  /** Every `#if` name that occurs in the text, with its value when a variant does not set it. */
  readonly flags?: Readonly<Record<string, boolean>>;
}

/** A source with its `#if` flags and `override` constants chosen. */
export interface Kernel {
  readonly source: KernelSource;
  readonly flags: Readonly<Record<string, boolean>>;
  readonly constants: Readonly<Record<string, number>>;
}

export function kernel(
  source: KernelSource,
  variant: { flags?: Record<string, boolean>; constants?: Record<string, number> } = {},
): Kernel {
  return { source, flags: variant.flags ?? {}, constants: variant.constants ?? {} };
}

/** 'conv2d.broadcast[BIAS,RELU]': how a variant is called in labels and messages. */
export function kernelLabel({ source, flags, constants }: Kernel): string {
  const set = Object.entries({ ...source.flags, ...flags })
    .filter(([, on]) => on)
    .map(([name]) => name);
  const numbers = Object.entries(constants).map(([name, value]) => `${name}=${value}`);
  const variant = [...set, ...numbers].join(',');
  return variant ? `${source.name}[${variant}]` : source.name;
}

/**
 * WGSL text of the variant, libraries last.
 *
 * @throws LoadError
 */
export async function expandKernel({ source, flags }: Kernel): Promise<string> {
  const values = { ...source.flags, ...flags };
  for (const name of Object.keys(flags)) {
    if (!(name in (source.flags ?? {}))) throw new Error(`kernel ${source.name} has no flag ${name}`);
  }
  const text = (await loadTexts(source)).join('\n');
  // wgsl-preprocessor is a template tag whose conditions are template values: cut the text at each condition.
  const strings: string[] = [];
  const conditions: boolean[] = [];
  let from = 0;
  for (const match of text.matchAll(/#(?:if|elif)\s+(!?)(\w+)/g)) {
    const [whole, not, name] = match;
    if (!(name in values)) throw new Error(`kernel ${source.name}: #if ${name} is not among its flags`);
    const conditionAt = match.index + whole.length - name.length - not.length;
    strings.push(text.slice(from, conditionAt));
    conditions.push(values[name] !== (not === '!'));
    from = match.index + whole.length;
  }
  strings.push(text.slice(from));
  return wgsl(Object.assign(strings, { raw: strings }) as unknown as TemplateStringsArray, ...conditions);
}

/**
 * The texts of a source, its own first, fetched if need be.
 *
 * @throws LoadError
 */
export async function loadTexts({ name, code, libs = [] }: KernelSource): Promise<string[]> {
  const load = async (text: WgslText) => (typeof text === 'string' ? text : (await text()).default);
  return onDemand(`the kernel ${name}`, () => Promise.all([code, ...libs].map(load)));
}

export interface StorageBinding {
  readonly binding: number;
  readonly access: 'read' | 'read_write';
}

/** What a kernel expects of its caller. */
export interface KernelInterface {
  readonly storage: ReadonlyMap<string, StorageBinding>;
  /** Binding of `params`, the uniform struct. */
  readonly uniformBinding: number;
  /** Fields of `Params` in order; all are 4-byte scalars. */
  readonly uniformFields: readonly { readonly name: string; readonly type: 'u32' | 'i32' | 'f32' }[];
}

/** Fields that the encoder fills in itself: the part of the one-dimensional grid that a dispatch covers. */
export const GRID_FIELDS = ['grid_first', 'grid_end'] as const;

/** Reads bindings and uniform fields from expanded WGSL. */
export function readInterface(name: string, code: string): KernelInterface {
  const storage = new Map<string, StorageBinding>();
  for (const [, binding, access, variable] of code.matchAll(
    /@group\(0\)\s*@binding\((\d+)\)\s*var<storage,\s*(read|read_write)>\s*(\w+)\s*:/g,
  )) {
    storage.set(variable, { binding: Number(binding), access: access as StorageBinding['access'] });
  }
  const uniform = code.match(/@group\(0\)\s*@binding\((\d+)\)\s*var<uniform>\s*params\s*:\s*Params\s*;/);
  const struct = code.match(/struct\s+Params\s*\{([^}]*)\}/);
  if (!uniform || !struct) throw new Error(`kernel ${name} lacks 'var<uniform> params: Params' or its struct`);
  const uniformFields = [...struct[1].replace(/\/\/.*$/gm, '').matchAll(/(\w+)\s*:\s*([\w<>]+)/g)].map(
    ([, field, type]) => {
      if (type !== 'u32' && type !== 'i32' && type !== 'f32') {
        throw new Error(`kernel ${name}: uniform ${field} is ${type}; only u32, i32 and f32 are laid out`);
      }
      return { name: field, type } as const;
    },
  );
  GRID_FIELDS.forEach((field, i) => {
    if (uniformFields[i]?.name !== field) throw new Error(`kernel ${name}: Params must begin with ${GRID_FIELDS}`);
  });
  return { storage, uniformBinding: Number(uniform[1]), uniformFields };
}
