/** A picture with one map over it: the library's own element, and what the page lays over it. */
import type { Box, ColorMapName, HeatMaps, MethodName, SelectionOptions } from 'gradcam-webgpu';
import type {
  EngineOptions,
  GradcamView,
  LoadRequest,
  OpenedPicture,
  RemoteExplanation,
  StepRecord,
} from 'gradcam-webgpu/element';
import { h, s, setAttributes } from './dom.ts';
import { takesSelection } from './state.ts';

interface Calls {
  onStep(step: StepRecord): void;
  /** @param share of the work that is done, 0 … 1 */
  onProgress(share: number): void;
}

export class Pane {
  readonly element: HTMLElement;
  readonly #view = document.createElement('gradcam-view') as GradcamView;
  readonly #boxes = s('svg', { class: 'boxes', slot: 'overlay', 'aria-hidden': 'true', preserveAspectRatio: 'none' });
  readonly #title = h('span');
  readonly #choose = h('button', { type: 'button', class: 'link' }, 'Show alone');
  #onChoose: (() => void) | undefined;
  #map: HeatMaps | undefined;

  constructor({ onStep, onProgress }: Calls) {
    this.#view.append(this.#boxes);
    this.#view.addEventListener('step', ({ detail }) => onStep(detail));
    this.#view.addEventListener('progress', ({ detail: { stage, done, total } }) => {
      if (stage === 'explaining') onProgress(done / total);
    });
    this.#choose.addEventListener('click', () => this.#onChoose?.());
    const head = h('div', { class: 'pane-head' }, this.#title, this.#choose);
    this.element = h('div', { class: 'pane' }, head, this.#view);
  }

  get result(): RemoteExplanation | undefined {
    return this.#view.result;
  }

  /** What is shown of the result: all, or the feature maps and cells that are chosen. */
  get map(): HeatMaps | undefined {
    return this.#map;
  }

  /** Whether cells can be chosen of what is shown. */
  get takesCells(): boolean {
    const { result } = this;
    return result !== undefined && takesSelection(result.options.method as MethodName);
  }

  /** Puts something over the picture, in its box. */
  lay(overlay: SVGSVGElement): void {
    if (overlay.parentElement === this.#view) return;
    overlay.setAttribute('slot', 'overlay');
    this.#view.append(overlay);
  }

  /**
   * @param title of a pane among several; undefined where it is the only one
   * @param onChoose shows what is in it alone, where it can be
   */
  entitle(title: string | undefined, onChoose: (() => void) | undefined): void {
    this.#title.textContent = title ?? '';
    this.#onChoose = onChoose;
    this.#choose.hidden = onChoose === undefined;
    this.element.classList.toggle('alone', title === undefined);
  }

  showPicture(picture: OpenedPicture, name: string): void {
    this.#view.picture = picture;
    this.#view.alt = name;
    this.#map = undefined;
    this.showBoxes([]);
    setAttributes(this.#boxes, { viewBox: `0 0 ${picture.width} ${picture.height}` });
  }

  /** Lets go of the one before; undefined takes none in its place. */
  useModel(request: LoadRequest | undefined): void {
    this.#view.model = request?.model;
    this.#view.weights = request?.weights;
    this.#view.labels = request?.labels;
    this.#map = undefined;
    this.showBoxes([]);
  }

  showLook({ opacity, colorMap }: { readonly opacity: number; readonly colorMap: ColorMapName }): void {
    this.#view.opacity = opacity;
    this.#view.colorMap = colorMap;
  }

  /** @throws as Engine.explain() */
  async explain(options: EngineOptions): Promise<RemoteExplanation> {
    this.#view.options = options;
    const result = await this.#view.explain();
    this.#map = result.map;
    return result;
  }

  /** Shows the map of these feature maps and cells, or with undefined that of all of them. */
  async select(selection: SelectionOptions | undefined): Promise<void> {
    const { result } = this;
    if (!result || !this.takesCells || (!selection && this.#map === result.map)) return;
    try {
      const { map } = await this.#view.combine(selection ?? {});
      if (result === this.result) this.#map = selection ? map : result.map;
    } catch (error) {
      // A result that has gone meanwhile takes its feature maps with it.
      if (result === this.result) throw error;
    }
  }

  stop(): void {
    this.#view.stop();
  }

  showBoxes(boxes: readonly Box['box'][]): void {
    const rects = (className: string) =>
      boxes.map(([x, y, width, height]) => s('rect', { class: className, x, y, width, height }));
    // A white line with a black edge is seen on every colour.
    this.#boxes.replaceChildren(...rects('edge'), ...rects('line'));
  }
}
