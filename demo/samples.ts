/** Scenes to choose from, and a new one. */
import { byId, h } from './dom.ts';
import { SAMPLES, type SceneDrawer } from './scenes.ts';
import { NEW_PICTURE } from './session.ts';
import type { State, Store } from './state.ts';

/** Side of a sample's picture in pixels, sharp on screens of twice the density. */
const SAMPLE_SIZE = 160;
/** Seeds of new scenes: short enough to be read out. */
const MOST_SEED = 999_999;

/** The samples' buttons, empty until drawSamples(). */
export function addSamples(store: Store): void {
  const take = (seed: number) => store.update({ ...NEW_PICTURE, picture: { kind: 'scene', seed } });
  const buttons = SAMPLES.map(({ seed, title }) => {
    const canvas = h('canvas', { width: SAMPLE_SIZE, height: SAMPLE_SIZE });
    const button = h('button', { type: 'button', 'aria-label': title, title, 'data-seed': seed }, canvas);
    button.addEventListener('click', () => take(seed));
    return button;
  });
  byId('samples').append(...buttons.map((button) => h('li', {}, button)));
  byId('new-scene').addEventListener('click', () => take(Math.floor(Math.random() * MOST_SEED)));
  const show = ({ picture }: State) => {
    for (const button of buttons) {
      const isShown = picture.kind === 'scene' && button.dataset.seed === String(picture.seed);
      button.setAttribute('aria-pressed', String(isShown));
    }
  };
  show(store.state);
  store.subscribe(show);
}

export async function drawSamples(scenes: SceneDrawer): Promise<void> {
  const canvases = byId('samples').querySelectorAll('canvas');
  for (const [i, { seed }] of SAMPLES.entries()) {
    canvases[i]!.getContext('2d')?.putImageData(await scenes.draw(seed, SAMPLE_SIZE), 0, 0);
  }
}
