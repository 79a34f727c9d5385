/** What <gradcam-view> is made of: its shadow tree and how it looks unless the page says otherwise. */

const STYLE = `
:host { display: block; position: relative; color: inherit; font: inherit; max-width: 100%; }
:host([hidden]) { display: none; }
figure { margin: 0; }
[part~='stage'] { position: relative; overflow: hidden; aspect-ratio: 1; background: color-mix(in srgb, currentColor 8%, transparent); }
[part~='image'] { position: absolute; inset: 0; }
canvas { display: block; width: 100%; height: 100%; }
[part~='image'] canvas { position: absolute; inset: 0; }
[part~='overlay'] { position: absolute; inset: 0; pointer-events: none; }
::slotted([slot='overlay']) { pointer-events: auto; }
[part~='bar'] { position: absolute; inset: auto 0 0 0; height: 4px; background: color-mix(in srgb, currentColor 25%, transparent); }
[part~='bar'] > div { height: 100%; width: 100%; background: var(--gradcam-accent, #2563eb); transform-origin: 0 50%; transform: scaleX(0); }
[part~='message'] { position: absolute; inset: auto 0 0 0; margin: 0; padding: 0.75em 1em; background: rgb(20 20 24 / 0.88); color: #fff; font-size: 0.9em; overflow-wrap: anywhere; max-height: 100%; overflow-y: auto; }
/* Without words it is still there, or screen readers would not hear when some come. */
[part~='message'][data-empty] { padding: 0; background: none; }
[part~='message'] p { margin: 0; }
[part~='retry'] { margin-top: 0.5em; font: inherit; color: inherit; background: transparent; border: 1px solid currentColor; border-radius: 0.4em; padding: 0.25em 0.75em; cursor: pointer; }
[part~='retry']:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
[part~='legend'] { display: grid; grid-template-columns: auto 1fr auto; gap: 0.6em; align-items: center; font-size: 0.8em; padding-top: 0.4em; }
/* Without a map it keeps its place. */
[part~='stage']:has([part~='map'][hidden]) ~ [part~='legend'] { visibility: hidden; }
[part~='scale'] { height: 0.6em; border-radius: 0.3em; }
[part~='caption'] { font-size: 0.85em; min-height: 1.4em; padding-top: 0.2em; overflow-wrap: anywhere; }
[hidden] { display: none !important; }
`;

export interface Parts {
  readonly stage: HTMLElement;
  /** Picture and map, one image to a screen reader. */
  readonly image: HTMLElement;
  readonly picture: HTMLCanvasElement;
  readonly map: HTMLCanvasElement;
  readonly bar: HTMLElement;
  readonly done: HTMLElement;
  readonly message: HTMLElement;
  readonly words: HTMLElement;
  readonly retry: HTMLButtonElement;
  readonly scale: HTMLCanvasElement;
  /** The words at its ends, unless the page has put others there. */
  readonly least: HTMLSlotElement;
  readonly most: HTMLSlotElement;
  readonly caption: HTMLElement;
}

/** Made without a text of HTML, which pages with Trusted Types refuse. */
export function buildParts(host: HTMLElement): Parts {
  const picture = part('canvas', 'picture');
  const map = part('canvas', 'map', { hidden: '' });
  const image = part('div', 'image', { role: 'img' }, picture, map);
  const overlay = part('div', 'overlay', {}, element('slot', { name: 'overlay' }));
  const done = part('div', 'done');
  const range = { 'aria-valuemin': '0', 'aria-valuemax': '100' };
  const bar = part('div', 'bar', { role: 'progressbar', ...range, hidden: '' }, done);
  const words = element('p', { role: 'status' });
  const retry = part('button', 'retry', { type: 'button', hidden: '' });
  const message = part('div', 'message', { 'data-empty': '' }, words, retry);
  const stage = part('div', 'stage', {}, image, overlay, bar, message);
  const least = element('slot', { name: 'least' }, 'least');
  const scale = part('canvas', 'scale', { 'aria-hidden': 'true' });
  const most = element('slot', { name: 'most' }, 'most');
  const legend = part('div', 'legend', {}, least, scale, most);
  const caption = part('figcaption', 'caption', { 'aria-live': 'polite' });

  const root = host.attachShadow({ mode: 'open' });
  styleParts(root);
  root.append(element('figure', {}, stage, legend, caption));
  return { stage, image, picture, map, bar, done, message, words, retry, scale, least, most, caption };
}

/** By document: a sheet is of the one that it was made in, and of all elements there. */
const sheets = new WeakMap<Document, CSSStyleSheet>();

/** Also to be called when the tree has come into another document, such as a popup window's: it has lost its style on the way. */
export function styleParts(root: ShadowRoot): void {
  const { ownerDocument } = root;
  // Without a window, nothing of it is seen.
  if (!ownerDocument.defaultView) return;
  let sheet = sheets.get(ownerDocument);
  if (!sheet) {
    sheet = new ownerDocument.defaultView.CSSStyleSheet();
    sheet.replaceSync(STYLE);
    sheets.set(ownerDocument, sheet);
  }
  root.adoptedStyleSheets = [sheet];
}

/** An element that the page can style by its name. */
function part<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  name: string,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Node[]
): HTMLElementTagNameMap[Tag] {
  return element(tag, { part: name, ...attributes }, ...children);
}

function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string>>,
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
