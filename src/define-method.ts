import type { CustomMethod, MethodDefinition } from './custom-method.ts';
import { OptionError } from './errors.ts';
import { METHODS } from './methods.ts';
import { checkOptionNames } from './option-names.ts';

/** What an expression may name. */
export const EXPRESSION_NAMES = ['a', 'd1', 'd2', 'd3', 'sum_a', 'cells'] as const;

/**
 * Makes a method for the option `method` of explain(). It is registered nowhere: whoever holds it can use it.
 *
 * @throws OptionError. Whether an expression is right WGSL shows when it is first used, by a ShaderError with its text.
 */
export function defineMethod(definition: MethodDefinition): CustomMethod {
  checkOptionNames<MethodDefinition>('defineMethod()', definition, {
    name: true,
    title: true,
    equation: true,
    source: true,
    weights: true,
    map: true,
  });
  const { name, weights, map } = definition;
  checkName(name);
  if ((weights === undefined) === (map === undefined)) {
    const both = weights === undefined ? undefined : [weights, map];
    throw new OptionError('weights or map', both, 'one of the two: an expression, or for weights also a function');
  }
  if (typeof weights !== 'function') checkExpression(weights === undefined ? 'map' : 'weights', weights ?? map);
  const texts = { title: definition.title ?? name, source: definition.source ?? 'defined by the caller' };
  const equation = definition.equation ?? equationOf(definition);
  for (const [option, text] of Object.entries({ ...texts, equation })) {
    if (typeof text !== 'string') throw new OptionError(option, text, 'a text');
  }
  return Object.freeze({
    name,
    ...texts,
    equation,
    ...(weights === undefined ? { map } : { weights }),
  }) as CustomMethod;
}

function checkName(name: unknown): void {
  if (typeof name !== 'string' || !/^[a-z][a-z0-9+_-]{0,63}$/i.test(name)) {
    throw new OptionError('name', name, "up to 64 letters, digits, '-', '+' and '_', a letter first");
  }
  if ((METHODS as readonly string[]).includes(name)) {
    throw new OptionError('name', name, `a name that no method has yet; taken are ${METHODS.join(', ')}`);
  }
}

/** One expression and no more: nothing that could end the function that it stands in. */
function checkExpression(option: string, text: unknown): void {
  const isExpression =
    typeof text === 'string' && text.trim() !== '' && /^[\w\s.,+\-*/%()<>=!&|]*$/.test(text) && !/\/[/*]/.test(text);
  if (isExpression) return;
  throw new OptionError(option, text, `one WGSL expression of ${EXPRESSION_NAMES.join(', ')}, such as 'max(d1, 0.0)'`);
}

function equationOf({ weights, map }: MethodDefinition): string {
  if (map !== undefined) return `L = ReLU(Σ_k w_k ⊙ A_k), w_k = ${map}`;
  return `L = ReLU(Σ_k W_k A_k), W_k ${typeof weights === 'string' ? `= Σ_ij ${weights}` : 'by a function'}`;
}
