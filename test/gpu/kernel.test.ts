import { describe, expect, it } from 'vitest';
import { LoadError } from '../../src/errors.ts';
import { expandKernel, type KernelSource, kernel, kernelLabel, readInterface } from '../../src/gpu/kernel.ts';

const PARAMS = 'struct Params { grid_first: u32, grid_end: u32 }';

const SOURCE: KernelSource = {
  name: 'scale',
  code: ['#if BIAS', 'bias', '#else', 'plain', '#endif', '#if !BIAS', 'not biased', '#endif', 'end'].join('\n'),
  libs: ['lib a', '#if RELU\nrelu\n#elif BIAS\nbias without relu\n#endif'],
  flags: { BIAS: false, RELU: false },
};

/** The lines of the expanded text that are not empty. */
async function linesOf(flags: Record<string, boolean>, source = SOURCE): Promise<string[]> {
  return (await expandKernel(kernel(source, { flags })))
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

describe('expandKernel', () => {
  it('keeps what the flags choose, in the source and in its libraries', async () => {
    expect(await linesOf({})).toEqual(['plain', 'not biased', 'end', 'lib a']);
    expect(await linesOf({ BIAS: true })).toEqual(['bias', 'end', 'lib a', 'bias without relu']);
    expect(await linesOf({ RELU: true })).toEqual(['plain', 'not biased', 'end', 'lib a', 'relu']);
    expect(await linesOf({ BIAS: true, RELU: true })).toEqual(['bias', 'end', 'lib a', 'relu']);
  });

  it('takes the source’s own value for a flag that a variant leaves open', async () => {
    const source = { ...SOURCE, flags: { BIAS: true, RELU: true } };
    expect(await linesOf({ RELU: false }, source)).toEqual(['bias', 'end', 'lib a', 'bias without relu']);
  });

  it('expands conditions within conditions', async () => {
    const code = '#if A\n#if B\nboth\n#else\na alone\n#endif\n#else\nneither\n#endif';
    const source = { name: 'nested', code, flags: { A: false, B: false } };
    expect(await linesOf({}, source)).toEqual(['neither']);
    expect(await linesOf({ B: true }, source)).toEqual(['neither']);
    expect(await linesOf({ A: true }, source)).toEqual(['a alone']);
    expect(await linesOf({ A: true, B: true }, source)).toEqual(['both']);
  });

  it('leaves a source without conditions as it is', async () => {
    const code = 'fn f() -> u32 { return 1u; } // no #, no flag\n';
    expect(await expandKernel(kernel({ name: 'plain', code }))).toBe(code);
  });

  it('refuses flags that are not known on both sides', async () => {
    await expect(expandKernel(kernel(SOURCE, { flags: { BAIS: true } }))).rejects.toThrow(
      'kernel scale has no flag BAIS',
    );
    const source = { ...SOURCE, code: '#if FAST\n#endif' };
    await expect(expandKernel(kernel(source))).rejects.toThrow('kernel scale: #if FAST is not among its flags');
    await expect(expandKernel(kernel({ ...SOURCE, code: '#if BIAS\nopen' }))).rejects.toThrow(/#if\/#endif/);
  });

  it('loads texts that are not at hand', async () => {
    const later = (text: string) => async () => ({ default: text });
    const source = { ...SOURCE, code: later(SOURCE.code as string), libs: ['lib a', later('lib b')] };
    expect(await linesOf({ BIAS: true }, source)).toEqual(['bias', 'end', 'lib a', 'lib b']);
  });

  it('says which text could not be loaded, and tries again', async () => {
    let isOnline = false;
    const code = async () => {
      if (!isOnline) throw new TypeError('Failed to fetch dynamically imported module');
      return { default: 'text' };
    };
    const late = kernel({ name: 'late', code });
    const failing = expandKernel(late);
    await expect(failing).rejects.toThrow(LoadError);
    await expect(failing).rejects.toThrow(/^the kernel late could not be loaded: Failed to fetch.*reload the page/);
    await expect(failing).rejects.toMatchObject({ code: 'load', part: 'the kernel late' });
    isOnline = true;
    expect(await expandKernel(late)).toBe('text');
  });
});

describe('kernelLabel', () => {
  it('names the variant', () => {
    expect(kernelLabel(kernel(SOURCE))).toBe('scale');
    const variant = { flags: { BIAS: true }, constants: { TILE: 4 } };
    expect(kernelLabel(kernel(SOURCE, variant))).toBe('scale[BIAS,TILE=4]');
    const defaults = { ...SOURCE, flags: { BIAS: true, RELU: true } };
    expect(kernelLabel(kernel(defaults, { flags: { RELU: false } }))).toBe('scale[BIAS]');
  });
});

describe('readInterface', () => {
  const code = `
    struct Params {
      grid_first: u32, // filled in by the encoder
      grid_end: u32,
      // scale: u32, as it was
      scale: f32,
      shift: i32,
    }
    @group(0) @binding(0) var<storage, read> x: array<f32>;
    @group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
    @group(0) @binding(5) var<uniform> params: Params;
    var<workgroup> tile: array<f32, 64>;
  `;

  it('finds bindings and uniform fields in the text', () => {
    const { storage, uniformBinding, uniformFields } = readInterface('scale', code);
    expect([...storage]).toEqual([
      ['x', { binding: 0, access: 'read' }],
      ['y', { binding: 2, access: 'read_write' }],
    ]);
    expect(uniformBinding).toBe(5);
    expect(uniformFields).toEqual([
      { name: 'grid_first', type: 'u32' },
      { name: 'grid_end', type: 'u32' },
      { name: 'scale', type: 'f32' },
      { name: 'shift', type: 'i32' },
    ]);
  });

  it('refuses what it could not fill in', () => {
    const read = (from: string, to: string) => () => readInterface('scale', code.replace(from, to));
    expect(read('var<uniform> params: Params', 'var<uniform> params: Other')).toThrow(
      "kernel scale lacks 'var<uniform> params: Params'",
    );
    expect(read('struct Params', 'struct Other')).toThrow('kernel scale lacks');
    expect(read('shift: i32', 'shift: vec2f')).toThrow('kernel scale: uniform shift is vec2f; only u32, i32 and f32');
    expect(read('grid_end: u32,', '')).toThrow('kernel scale: Params must begin with grid_first,grid_end');
    expect(() => readInterface('scale', `${PARAMS} @group(0) @binding(0) var<uniform> params: Params;`)).not.toThrow();
  });
});
