/** What is chosen of the layer, in a sentence, and the way back to all of it. */
import { byId } from './dom.ts';
import { countOf } from './neuron-grid.ts';
import { type State, type Store, showsSelection } from './state.ts';

export function showSelection(store: Store): void {
  const clear = byId<HTMLButtonElement>('clear-selection');
  clear.addEventListener('click', () => {
    store.update({ filters: [], cells: undefined });
    // The button is gone, and the keyboard's place with it.
    byId('pick-cells').focus();
  });
  const show = (state: State) => {
    const chosen = showsSelection(state) ? [...filtersIn(state), ...cellsIn(state)] : [];
    byId('selection-text').textContent = chosen.length > 0 ? `Shown: ${chosen.join(', ')}.` : hintFor(state);
    clear.hidden = chosen.length === 0;
  };
  show(store.state);
  store.subscribe(show);
}

function filtersIn({ filters }: State): string[] {
  if (filters.length === 0) return [];
  const listed = filters.slice(0, 6).join(', ') + (filters.length > 6 ? ', …' : '');
  return [filters.length === 1 ? `feature map ${listed}` : `the sum of ${filters.length} feature maps (${listed})`];
}

function cellsIn({ cells }: State): string[] {
  if (!cells) return [];
  if (cells.kind === 'cells') return [cells.cells.length === 1 ? '1 neuron' : `${cells.cells.length} neurons`];
  const [[r0, c0], [r1, c1]] = cells.corners;
  return [`${Math.abs(r1 - r0) + 1} × ${Math.abs(c1 - c0) + 1} neurons (${countOf(cells)})`];
}

/** What could be chosen. */
function hintFor(state: State): string {
  if (!showsSelection(state)) return '';
  return 'All of the layer is shown. Press Neurons to click cells or drag a box, or choose feature maps below.';
}
