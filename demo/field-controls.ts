/** Rows of the settings' tables as controls: label, input, and a sentence that opens with its button. */
import { linkToDocs } from './docs-links.ts';
import { h } from './dom.ts';
import { type FieldRow, NONE, type NumberRow, type SelectRow } from './fields.ts';
import type { State, Store } from './state.ts';

/** Puts the controls of a table into the page and keeps them at the state. */
export function addFields(parent: HTMLElement, rows: readonly FieldRow[], store: Store): void {
  const fields = rows.map((row) => fieldOf(row, store));
  parent.append(...fields.map(({ element }) => element));
  const show = (state: State) => {
    for (const field of fields) field.show(state);
  };
  show(store.state);
  store.subscribe(show);
}

interface Field {
  readonly element: HTMLElement;
  show(state: State): void;
}

/** What of a control depends on its kind. */
interface Input {
  readonly elements: readonly HTMLElement[];
  readonly disabled: readonly (HTMLInputElement | HTMLSelectElement)[];
  show(state: State): void;
}

function fieldOf(row: FieldRow, store: Store): Field {
  const id = `field-${row.key}`;
  const input = row.kind === 'number' ? numberInput(id, row, store) : selectInput(id, row, store);
  const text = h('span');
  const more = linkToDocs('More', `More about ${row.label}`);
  const about = h('p', { id: `${id}-about`, class: 'about', hidden: true }, text, ' ', more);
  const button = h(
    'button',
    {
      type: 'button',
      class: 'about-button',
      'aria-expanded': 'false',
      'aria-controls': about.id,
      'aria-label': `About ${row.label}`,
    },
    '?',
  );
  button.addEventListener('click', () => {
    about.hidden = !about.hidden;
    button.setAttribute('aria-expanded', String(!about.hidden));
  });
  const element = h(
    'div',
    { class: `field ${row.kind}` },
    h('label', { for: id }, row.label),
    button,
    ...input.elements,
    about,
  );
  const said = (what: string | ((state: State) => string), state: State) =>
    typeof what === 'string' ? what : what(state);
  return {
    element,
    show(state) {
      const idle = row.idle?.(state);
      element.hidden = row.isShown?.(state) === false;
      element.classList.toggle('idle', idle !== undefined);
      for (const control of input.disabled) control.disabled = idle !== undefined;
      text.textContent = [idle, said(row.about, state)].filter(Boolean).join(' ');
      more.href = said(row.more, state);
      input.show(state);
    },
  };
}

function numberInput(id: string, row: NumberRow, store: Store): Input {
  const { key, step, least, most, slider, shows } = row;
  const value = (state: State) => state[key] as number;
  const update = (typed: number) => {
    // What is being typed may be nothing yet.
    if (Number.isFinite(typed) && typed >= least && typed <= most) store.update({ [key]: typed });
  };
  const box = shows ? undefined : h('input', { type: 'number', id, step, min: least, max: most, inputmode: 'decimal' });
  box?.addEventListener('input', () => update(box.valueAsNumber));
  // A value that is out of range goes back to the one in force.
  box?.addEventListener('change', () => {
    box.value = String(value(store.state));
  });
  const range =
    slider &&
    h('input', {
      type: 'range',
      step,
      min: slider[0],
      max: slider[1],
      ...(shows ? { id } : { 'aria-label': row.label }),
    });
  range?.addEventListener('input', () => update(range.valueAsNumber));
  // The slider says the same to screen readers.
  const output = shows && h('span', { class: 'value', 'aria-hidden': 'true' });
  const controls = [range, box].filter((control) => control !== undefined);
  return {
    elements: [...controls, ...(output ? [output] : [])],
    disabled: controls,
    show(state) {
      if (range && document.activeElement !== range) range.value = String(value(state));
      if (box && document.activeElement !== box) box.value = String(value(state));
      if (shows && output) {
        output.textContent = shows(value(state));
        range?.setAttribute('aria-valuetext', shows(value(state)));
      }
    },
  };
}

function selectInput(id: string, { key, options, also }: SelectRow, store: Store): Input {
  const select = h('select', { id });
  const groups = new Map<string, HTMLOptGroupElement>();
  for (const { value, text, group } of options) {
    const option = h('option', { value }, text);
    if (group === undefined) {
      select.append(option);
      continue;
    }
    if (!groups.has(group)) {
      groups.set(group, h('optgroup', { label: group }));
      select.append(groups.get(group)!);
    }
    groups.get(group)!.append(option);
  }
  select.addEventListener('change', () => {
    const { value } = select;
    store.update({ [key]: value === NONE ? undefined : value, ...also?.(value) });
  });
  return {
    elements: [select],
    disabled: [select],
    show(state) {
      select.value = String(state[key] ?? NONE);
    },
  };
}
