/** What <gradcam-view> shows: the picture, the map over it, how far the work is, and what is wrong. */
import { type AnyMethod, methodOf } from '../custom-method.ts';
import { OptionError } from '../errors.ts';
import { signedMaps } from '../explanation.ts';
import { isDiverging } from '../image/color-map.ts';
import type { CombinedMaps, HeatMaps } from '../index.ts';
import { DEFAULT_OPTIONS } from '../options.ts';
import { type AttributeProperties, readLook } from './attributes.ts';
import type { OpenedPicture } from './engine.ts';
import { drawHeat, drawLegend, type MapGround } from './heat-canvas.ts';
import { buildParts, type Parts, styleParts } from './parts.ts';
import type { ViewProgress } from './view-events.ts';
import { type Complaint, describeMap, placeOfMost } from './words.ts';

export class Display {
  readonly #host: HTMLElement & Pick<AttributeProperties, 'alt' | 'mapIndex'>;
  readonly #parts: Parts;
  /** The maps on the screen, with where they lie. */
  #shown: { readonly maps: ShownMaps; readonly ground: MapGround } | undefined;
  #complaint: Complaint | undefined;

  /**
   * @param host whose attributes say how the map looks
   * @param retry is called when somebody asks for another try
   */
  constructor(host: HTMLElement & Pick<AttributeProperties, 'alt' | 'mapIndex'>, retry: () => void) {
    this.#host = host;
    this.#parts = buildParts(host);
    this.#parts.retry.addEventListener('click', retry);
  }

  /** Looks as before in the document that it has come into. */
  moveToDocument(): void {
    styleParts(this.#host.shadowRoot!);
  }

  drawPicture({ preview, width, height }: OpenedPicture): void {
    const { picture, stage } = this.#parts;
    stage.style.aspectRatio = `${width} / ${height}`;
    picture.width = preview.width;
    picture.height = preview.height;
    picture.getContext('2d')?.drawImage(preview, 0, 0);
    this.#describe();
  }

  clearPicture(): void {
    this.#parts.picture.width = 0;
  }

  /** Takes other maps to be drawn; without any, the picture is there alone. */
  setMaps(maps: Pick<CombinedMaps, 'map' | 'signed'>, method: AnyMethod | undefined, ground: MapGround): void {
    this.#shown = { maps: shownMaps(maps, method), ground };
  }

  /**
   * Draws legend and map by the attributes.
   *
   * @throws OptionError
   */
  draw(): void {
    const { map, scale, least, most } = this.#parts;
    const { opacity, colorMap, mapIndex } = readLook(this.#host);
    const diverges = isDiverging(colorMap);
    drawLegend(scale, colorMap);
    [least.textContent, most.textContent] = diverges ? ['against', 'for'] : ['least', 'most'];
    map.style.opacity = String(opacity);
    map.hidden = !this.#shown;
    if (this.#shown) {
      const { ground } = this.#shown;
      const maps = this.#shown.maps[diverges ? 'signed' : 'rectified'];
      const count = maps.shape[0];
      if (!Number.isInteger(mapIndex) || mapIndex < 0 || mapIndex >= count) {
        throw new OptionError('map-index', mapIndex, `a whole number from 0 to ${count - 1}`);
      }
      drawHeat(map, maps, mapIndex, ground, colorMap);
    }
    this.#describe();
  }

  clearMap(): void {
    this.#shown = undefined;
    this.#parts.map.hidden = true;
    this.caption = '';
  }

  set caption(text: string) {
    this.#parts.caption.textContent = text;
  }

  /** Whether what is there is about to be replaced. */
  set isBusy(isBusy: boolean) {
    this.#parts.stage.setAttribute('aria-busy', String(isBusy));
  }

  showProgress({ stage, done, total }: ViewProgress): void {
    const { bar, done: filled } = this.#parts;
    const share = total > 0 ? Math.min(1, done / total) : 0;
    bar.hidden = false;
    bar.setAttribute('aria-label', stage === 'loading' ? 'Loading the model' : 'Explaining');
    bar.setAttribute('aria-valuenow', String(Math.round(100 * share)));
    filled.style.transform = `scaleX(${share})`;
  }

  hideProgress(): void {
    this.#parts.bar.hidden = true;
  }

  /** What it says is wrong. */
  get complaint(): Complaint | undefined {
    return this.#complaint;
  }

  set complaint(complaint: Complaint | undefined) {
    const { message, words, retry } = this.#parts;
    this.#complaint = complaint;
    message.toggleAttribute('data-empty', !complaint);
    words.textContent = complaint?.text ?? '';
    retry.hidden = !complaint?.retry;
    retry.textContent = complaint?.retry ?? '';
  }

  /** Canvases take memory whether they are seen or not. */
  freeCanvases(): void {
    for (const canvas of [this.#parts.picture, this.#parts.map]) canvas.width = 0;
  }

  #describe(): void {
    const { image, caption } = this.#parts;
    const { alt, mapIndex = 0 } = this.#host;
    const { maps, ground } = this.#shown ?? {};
    const place = maps && ground && placeOfMost(maps.rectified, mapIndex, ground.view, ground.picture);
    image.setAttribute('aria-label', describeMap(alt, caption.textContent || undefined, place));
  }
}

/** Maps behind their ReLU, and for colours that diverge before it. */
interface ShownMaps {
  readonly rectified: HeatMaps;
  readonly signed: HeatMaps;
}

function shownMaps({ map, signed }: Pick<CombinedMaps, 'map' | 'signed'>, method?: AnyMethod): ShownMaps {
  const values = { rectified: map.data, signed: signed.data };
  return { rectified: map, signed: signedMaps(values, map.shape, methodOf(method ?? DEFAULT_OPTIONS.method)) };
}
