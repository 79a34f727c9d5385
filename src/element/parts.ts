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

const TREE = `
<figure>
  <div part="stage">
    <div part="image" role="img"><canvas part="picture"></canvas><canvas part="map" hidden></canvas></div>
    <div part="overlay"><slot name="overlay"></slot></div>
    <div part="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" hidden><div part="done"></div></div>
    <div part="message" data-empty><p role="status"></p><button part="retry" type="button" hidden></button></div>
  </div>
  <div part="legend"><slot name="least">least</slot><canvas part="scale" aria-hidden="true"></canvas><slot name="most">most</slot></div>
  <figcaption part="caption" aria-live="polite"></figcaption>
</figure>
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

export function buildParts(host: HTMLElement): Parts {
  const root = host.attachShadow({ mode: 'open' });
  const style = new CSSStyleSheet();
  style.replaceSync(STYLE);
  root.adoptedStyleSheets = [style];
  root.innerHTML = TREE;
  const part = <Kind extends HTMLElement>(name: string) => root.querySelector<Kind>(`[part="${name}"]`)!;
  return {
    stage: part('stage'),
    image: part('image'),
    picture: part('picture'),
    map: part('map'),
    bar: part('bar'),
    done: part('done'),
    message: part('message'),
    words: part('message').querySelector('p')!,
    retry: part('retry'),
    scale: part('scale'),
    least: root.querySelector<HTMLSlotElement>('slot[name=least]')!,
    most: root.querySelector<HTMLSlotElement>('slot[name=most]')!,
    caption: part('caption'),
  };
}
