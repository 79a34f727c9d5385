/** What can be taken along: the overlay with its record, the raw map, the record alone, and a link. */
import type { PictureSource, RemoteExplanation } from 'gradcam-webgpu/element';
import { byId } from './dom.ts';
import { linkOf } from './link.ts';
import { SCENE_SIZE } from './scenes.ts';
import type { State, Store } from './state.ts';

interface Results {
  /** On the page, if there is one. */
  shown(): RemoteExplanation | undefined;
  /** What to take along of it; another one where it has to be made. */
  exported(shown: RemoteExplanation): Promise<RemoteExplanation>;
}

export function offerExports(store: Store, results: Results, onFailure: (error: unknown) => void): void {
  const say = (text: string) => {
    byId('export-text').textContent = text;
  };
  const save = (
    id: string,
    ending: string,
    make: (result: RemoteExplanation, state: State) => Blob | Promise<Blob>,
  ) => {
    const button = byId<HTMLButtonElement>(id);
    button.addEventListener('click', async () => {
      const { state } = store;
      const shown = results.shown();
      if (!shown) return;
      button.disabled = true;
      say('Making the file …');
      try {
        const result = await results.exported(shown);
        // Beside the whole map's, they would be taken for its files.
        const part = result === shown ? '' : '.part';
        const name = `${stemOf(state)}.${shown.options.method}${part}.${ending}`;
        download(await make(result, state), name);
        if (result !== shown) result.release();
        say(`Saved as ${name}.`);
      } catch (error) {
        say('No file was made.');
        onFailure(error);
      } finally {
        button.disabled = results.shown() === undefined;
      }
    });
  };
  save('save-png', 'png', (result, state) => {
    const { opacity, colorMap, showsBoxes, threshold } = state;
    return result.png({ opacity, colorMap, boxes: showsBoxes ? { threshold } : undefined, source: sourceOf(state) });
  });
  save('save-npy', 'npy', (result) => result.npy());
  save('save-json', 'json', (result, state) => result.json({ source: sourceOf(state) }));
  byId('copy-link').addEventListener('click', async () => {
    const link = new URL(`#${linkOf(store.state)}`, location.href).href;
    const isOwn = store.state.picture.kind === 'own' || store.state.weights.kind === 'files';
    try {
      await navigator.clipboard.writeText(link);
      say(isOwn ? 'Copied. Your own picture and files are not in the link.' : 'Copied: it shows what you see now.');
    } catch {
      // The address bar has it as well.
      say('The browser did not let the page copy. The link is in the address bar.');
    }
  });
}

/** There is nothing to take along before the first result. */
export function enableExports(isThere: boolean): void {
  for (const id of ['save-png', 'save-npy', 'save-json']) byId<HTMLButtonElement>(id).disabled = !isThere;
}

function stemOf({ picture }: State): string {
  if (picture.kind === 'scene') return `scene-${picture.seed}`;
  const stem = picture.name.replace(/\.[^.]*$/, '').replace(/[^\p{L}\p{N}_-]+/gu, '-');
  return stem || 'picture';
}

/** What `gradcam replay` finds the picture by. */
function sourceOf({ picture }: State): PictureSource {
  return picture.kind === 'scene' ? { scene: { seed: picture.seed, size: SCENE_SIZE } } : { file: picture.name };
}

function download(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  Object.assign(link, { href: url, download: name });
  link.click();
  // The download has its own hold on it by then.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
