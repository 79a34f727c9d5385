import { describe, expect, it } from 'vitest';
import { EngineError } from '../src/element/errors.ts';
import * as errors from '../src/errors.ts';

const EXAMPLES: readonly errors.GradcamError[] = [
  new errors.GpuUnavailableError(''),
  new errors.LimitError('', { limit: 'memory', needed: 2, available: 1 }),
  new errors.WeightsError('', { file: 'a.safetensors' }),
  new errors.OptionError('nSamples', -1, 'a whole number'),
  new errors.ImageError(''),
  new errors.OverflowError(''),
  new errors.ShaderError(''),
  new errors.LoadError('a part'),
  new errors.DeviceLostError(''),
  new errors.DisposedError(''),
  new errors.ReleasedError(''),
  new errors.AbortError(),
  new EngineError(''),
];

describe('errors', () => {
  it('are named as their classes are', () => {
    const exported = Object.values(errors).filter((one) => one.prototype instanceof errors.GradcamError);
    const classes = EXAMPLES.map((error) => error.constructor);
    expect(new Set([...classes, ...exported]).size).toBe(EXAMPLES.length);
    expect(EXAMPLES.map(({ name }) => name)).toEqual(classes.map(({ name }) => name));
  });

  it('keep their names where a minifier shortens those of the classes', () => {
    const { AbortError, DeviceLostError } = errors;
    const names = [class a extends AbortError {}, class b extends DeviceLostError {}].map(
      (Short) => new Short('').name,
    );
    expect(names).toEqual(['AbortError', 'DeviceLostError']);
  });
});
