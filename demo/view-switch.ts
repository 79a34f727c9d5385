/** One map, the methods side by side, or two classes: a group of radio buttons. */
import { byId, h } from './dom.ts';
import type { State, Store, View } from './state.ts';

const TITLES: Readonly<Record<View, string>> = {
  one: 'One map',
  methods: 'Three methods',
  classes: 'Two classes',
};

export function addViewSwitch(store: Store): void {
  const views = Object.keys(TITLES) as View[];
  const buttons = new Map(
    views.map((view) => [view, h('button', { type: 'button', role: 'radio', 'data-view': view }, TITLES[view])]),
  );
  const take = (view: View) => {
    store.update({ view });
    buttons.get(view)?.focus();
  };
  for (const [view, button] of buttons) button.addEventListener('click', () => take(view));
  const group = byId('views');
  group.append(...buttons.values());
  group.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    take(views[(views.indexOf(store.state.view) + step + views.length) % views.length]!);
  });
  const show = ({ view }: State) => {
    for (const [each, button] of buttons) {
      button.setAttribute('aria-checked', String(each === view));
      button.tabIndex = each === view ? 0 : -1;
    }
  };
  show(store.state);
  store.subscribe(show);
}
