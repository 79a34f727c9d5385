/** Which network, and where its weights come from. Nothing is fetched from elsewhere before the visitor says so. */
import { type KnownModel, MODELS, type ModelName } from 'gradcam-webgpu';
import type { WeightsStore } from 'gradcam-webgpu/element';
import { byId, h } from './dom.ts';
import { canDrop } from './inputs.ts';
import { isWeightsUrl } from './link.ts';
import type { OwnWeights, Session } from './session.ts';
import { isBuiltIn, knownModel, type State, type Store, usualWeights } from './state.ts';
import { cameWhole, forgetWhole, rememberWhole } from './whole-weights.ts';

/** What of the state belongs to one model alone. */
const NEW_MODEL = {
  layerName: undefined,
  classIndex: undefined,
  otherClass: undefined,
  filters: [],
  cells: undefined,
  view: 'one',
} as const satisfies Partial<State>;

/** By where their weights are. */
const GROUPS: readonly { readonly label: string; has(model: KnownModel): boolean }[] = [
  { label: 'With this page', has: ({ name }) => isBuiltIn(name) },
  { label: 'To be fetched', has: ({ name, sources }) => !isBuiltIn(name) && sources.length > 0 },
  { label: 'For weights of your own', has: ({ sources }) => sources.length === 0 },
];

export class ModelPanel {
  readonly #store: Store;
  readonly #session: Session;
  readonly #cache: WeightsStore;
  readonly #onAsked: () => void;
  readonly #select = h(
    'select',
    { id: 'model', 'aria-labelledby': 'model-title' },
    ...GROUPS.map(({ label, has }) => {
      const options = MODELS.filter(has).map(({ name, title }) => h('option', { value: name }, shortTitle(title)));
      return h('optgroup', { label }, ...options);
    }),
  );
  readonly #form = byId<HTMLFormElement>('weights-form');
  readonly #url = byId<HTMLInputElement>('weights-url');
  readonly #button = byId<HTMLButtonElement>('load-weights');

  /** @param onAsked is called when the visitor has named weights, before they are read */
  constructor(store: Store, session: Session, cache: WeightsStore, onAsked: () => void) {
    this.#store = store;
    this.#session = session;
    this.#cache = cache;
    this.#onAsked = onAsked;
    byId('model-fields').append(this.#select);
    this.#select.addEventListener('change', () => this.#choose(this.#select.value as ModelName));
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#loadAddress(this.#url.value.trim());
    });
    byId('stop-loading').addEventListener('click', () => session.stopLoading());
    byId('empty-cache').addEventListener('click', () => void this.#emptyCache());
    store.subscribe((state, changed) => {
      if (changed.has('model') || changed.has('weights')) this.#show(state);
    });
    this.#show(store.state);
    void this.showCache();
    void this.#loadKept(store.state);
  }

  /** Files of the visitor's own. Which network they are of shows when they are read. */
  loadFiles(files: readonly File[]): void {
    const { model } = this.#store.state;
    const name = isBuiltIn(model) ? 'vgg16' : model;
    this.#store.update({ ...NEW_MODEL, model: name, weights: { kind: 'files', name: files[0]!.name } });
    void this.#load(files);
  }

  showProgress(progress: { readonly loadedBytes: number; readonly totalBytes: number } | undefined): void {
    byId('loading').hidden = progress === undefined;
    this.#button.disabled = progress !== undefined;
    if (!progress) return void this.showCache();
    const { loadedBytes, totalBytes } = progress;
    const bar = byId<HTMLProgressElement>('loading-bar');
    if (totalBytes > 0) {
      bar.max = totalBytes;
      bar.value = loadedBytes;
    } else {
      bar.removeAttribute('value');
    }
    byId('loading-text').textContent =
      totalBytes > 0 ? `${megabytes(loadedBytes)} of ${megabytes(totalBytes)}` : 'Asking for the weights …';
  }

  /** What the browser keeps of downloads. */
  async showCache(): Promise<void> {
    const files = await this.#cache.list();
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const count = files.length === 1 ? '1 file' : `${files.length} files`;
    const isPartial = files.some(({ isWhole }) => !isWhole);
    const rest = isPartial ? ' One of them is not all there: Load goes on with it.' : '';
    byId('cache-text').textContent =
      files.length === 0 ? '' : `Kept in this browser: ${count}, ${megabytes(bytes)}.${rest}`;
    byId('empty-cache').hidden = files.length === 0;
  }

  #choose(name: ModelName): void {
    this.#store.update({ ...NEW_MODEL, model: name, weights: usualWeights(name) });
  }

  #show({ model, weights }: State): void {
    const known = knownModel(model);
    this.#select.value = model;
    byId('model-text').textContent = wordsOf(known);
    this.#form.hidden = isBuiltIn(model);
    byId('choose-labels').hidden = isBuiltIn(model);
    if (isBuiltIn(model)) return;
    const usual = usualWeights(model);
    const address = weights.kind === 'url' ? weights : usual;
    this.#url.value = address.kind === 'url' ? address.url : '';
    const [source] = known.sources;
    const origin = source ? `${sentence(source.note)} ` : '';
    const dropped = canDrop ? ' Files and folders can also be dropped on the page.' : '';
    byId('weights-about').textContent =
      `${origin}${megabytes(known.bytes)}, fetched when you press Load and kept for the next visit. A folder that ` +
      `“gradcam convert” wrote has an address, too.${dropped}`;
  }

  #loadAddress(url: string): void {
    const isAllowed = isWeightsUrl(url);
    this.#url.setCustomValidity(
      isAllowed ? '' : 'An address that begins with https://, or one of this page’s own server.',
    );
    if (!this.#url.reportValidity()) {
      // Typing on makes it valid again.
      this.#url.addEventListener('input', () => this.#url.setCustomValidity(''), { once: true });
      return;
    }
    this.#store.update({ weights: { kind: 'url', url } });
    void this.#load(url);
  }

  /** A link's weights are fetched on the visitor's word alone, but what the browser keeps whole is no request. */
  async #loadKept({ weights }: State): Promise<void> {
    if (weights.kind !== 'url') return;
    const files = await this.#cache.list();
    const isOf = (url: string) => url === weights.url || (weights.url.endsWith('/') && url.startsWith(weights.url));
    if (cameWhole(weights.url) && files.some(({ url, isWhole }) => isWhole && isOf(url))) void this.#load(weights.url);
  }

  async #load(weights: OwnWeights): Promise<void> {
    this.#onAsked();
    const isLoaded = await this.#session.load(weights);
    if (isLoaded && typeof weights === 'string') rememberWhole(weights);
  }

  async #emptyCache(): Promise<void> {
    await this.#cache.clear();
    forgetWhole();
    await this.showCache();
  }
}

/** Titles say the network first, and then what it was made for. */
function shortTitle(title: string): string {
  return title.slice(0, title.indexOf(', '));
}

function wordsOf({ title, labels, parameters }: KnownModel): string {
  const made = title.slice(shortTitle(title).length + ', '.length);
  const classes = labels ? `: ${labels.join(', ')}` : '';
  const millions = (parameters / 1e6).toFixed(parameters < 1e7 ? 1 : 0);
  return `${sentence(made + classes)} ${millions} million weights.`;
}

function sentence(text: string): string {
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`;
}

function megabytes(bytes: number): string {
  const value = bytes / 1e6;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} MB`;
}
