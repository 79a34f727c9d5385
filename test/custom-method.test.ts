import { describe, expect, it } from 'vitest';
import { type MethodDefinition, methodOf } from '../src/custom-method.ts';
import { defineMethod } from '../src/define-method.ts';
import { OptionError } from '../src/errors.ts';

describe('defineMethod', () => {
  it('fills in what is not given, and takes its own results', () => {
    const method = defineMethod({ name: 'peak-cam', map: 'max(d1, 0.0)' });
    expect(method).toEqual({
      name: 'peak-cam',
      title: 'peak-cam',
      equation: 'L = ReLU(Σ_k w_k ⊙ A_k), w_k = max(d1, 0.0)',
      source: 'defined by the caller',
      map: 'max(d1, 0.0)',
    });
    expect(defineMethod(method)).toEqual(method);
    expect(defineMethod(JSON.parse(JSON.stringify(method)))).toEqual(method);
  });

  it('knows what needs a gradient', () => {
    const needsGradient = (definition: Pick<MethodDefinition, 'weights'>) =>
      methodOf(defineMethod({ name: 'x', ...definition } as MethodDefinition)).needsGradient;
    expect(needsGradient({ weights: 'a / cells' })).toBe(false);
    expect(needsGradient({ weights: 'a * d2' })).toBe(true);
    expect(needsGradient({ weights: () => new Float32Array() })).toBe(true);
  });

  it.each([
    ['a name that a file cannot have', { name: '../x', map: 'a' }, /name: got "\.\.\/x"; allowed: up to 64 letters/],
    [
      'the name of another method',
      { name: 'grad-cam', map: 'a' },
      /name: got "grad-cam"; .*taken are grad-cam, hires-cam/,
    ],
    ['neither weights nor map', { name: 'x' }, /weights or map: not given; needed: one of the two/],
    ['both', { name: 'x', weights: 'a', map: 'a' }, /weights or map: got \["a","a"\]/],
    ['an empty expression', { name: 'x', map: ' ' }, /map: got " "; allowed: one WGSL expression of a, d1, d2/],
    ['statements', { name: 'x', weights: 'a; } fn main() {' }, /weights: got "a; } fn main\(\) {"/],
    ['a comment', { name: 'x', weights: 'a // b' }, /weights: got "a \/\/ b"/],
    ['a function for a map', { name: 'x', map: () => 1 }, /map: got/],
    ['a title that is no text', { name: 'x', map: 'a', title: 3 }, /title: got 3; allowed: a text/],
    ['what it does not know', { name: 'x', map: 'a', formula: 'a' }, /formula: .*defineMethod\(\) takes name, title/],
  ])('refuses %s', (_, definition, message) => {
    const define = () => defineMethod(definition as MethodDefinition);
    expect(define).toThrow(OptionError);
    expect(define).toThrow(message);
  });
});
