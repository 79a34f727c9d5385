/** Classes by name: those beyond the first few predictions, and names for weights that come without. */
import type { LoadedModel } from 'gradcam-webgpu/element';
import { byId, h } from './dom.ts';
import { className } from './predictions.ts';

/** A field for any class, by its name or number. */
export function addClassField(model: () => LoadedModel | undefined, onExplain: (classIndex: number) => void): void {
  const input = h('input', {
    type: 'text',
    id: 'class',
    list: 'class-names',
    placeholder: 'Name or number',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  const names = h('datalist', { id: 'class-names' });
  byId('class-field').append(h('div', { class: 'field' }, h('label', { for: 'class' }, 'Another class'), input, names));
  input.addEventListener('input', () => input.setCustomValidity(''));
  input.addEventListener('change', () => {
    const loaded = model();
    if (!loaded || input.value.trim() === '') return;
    const classIndex = findClass(input.value, loaded);
    const last = loaded.classCount - 1;
    input.setCustomValidity(classIndex === undefined ? `A class by its name, or a number from 0 to ${last}.` : '');
    if (!input.reportValidity() || classIndex === undefined) return;
    input.value = '';
    onExplain(classIndex);
  });
}

/** Offers the names in the field. */
export function showClasses(labels: readonly string[] = []): void {
  byId('class-names').replaceChildren(...labels.map((label) => h('option', { value: label })));
}

function findClass(text: string, { classCount, labels }: LoadedModel): number | undefined {
  const wanted = text.trim().toLowerCase();
  for (let classIndex = 0; classIndex < classCount; classIndex++) {
    if (className({ classIndex, label: labels?.[classIndex] }).toLowerCase() === wanted) return classIndex;
  }
  const index = /^\d+$/.test(wanted) ? Number(wanted) : Number.NaN;
  return index < classCount ? index : undefined;
}

/**
 * Names from a JSON file: a list of them, or Keras's object of index to [identifier, name].
 *
 * @throws Error that says what was expected
 */
export async function readNames(file: File, classCount: number): Promise<string[]> {
  const expected = `a JSON list of ${classCount} names`;
  let content: unknown;
  try {
    content = JSON.parse(await file.text());
  } catch {
    throw new Error(`${file.name} is not JSON; expected ${expected}.`);
  }
  const isObject = typeof content === 'object' && content !== null;
  const values = isObject ? Array.from({ length: classCount }, (_, i) => (content as Record<number, unknown>)[i]) : [];
  const names = values.map((value) => (Array.isArray(value) ? value.at(-1) : value));
  if (names.length === 0 || !names.every((name) => typeof name === 'string')) {
    throw new Error(`${file.name} holds something else; expected ${expected}.`);
  }
  return names as string[];
}
