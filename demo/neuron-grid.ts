/**
 * The cells of a layer's maps over the picture, to choose from: a click takes a cell in or out, a drag takes a box. With the
 * keyboard, arrows move a cursor, with Shift they stretch a box from where it stood, Space takes the cell in or out, Escape
 * drops the choice.
 */
import type { Cell, View as PictureView } from 'gradcam-webgpu';
import { s, setAttributes } from './dom.ts';
import type { CellChoice } from './state.ts';

interface Layout {
  readonly rows: number;
  readonly columns: number;
  readonly picture: { readonly width: number; readonly height: number };
  /** The rectangle of the picture that the maps cover. */
  readonly view: PictureView;
}

/** Above so many cells, a click starts anew instead of taking a box apart into cells. */
const MOST_CELLS = 1024;
/** Lines between cells that are closer than this, in shares of the picture's width, would only be grey. */
const LEAST_CELL = 0.012;

export class NeuronGrid {
  readonly #svg: SVGSVGElement;
  readonly #lines = s('path', { class: 'lines' });
  /** Dashed on an edge of its own, unlike the boxes of the map, which can be there as well. */
  readonly #chosen = [s('path', { class: 'chosen edge' }), s('path', { class: 'chosen' })];
  readonly #cursor = s('rect', { class: 'cursor' });
  readonly #onChoose: (choice: CellChoice | undefined) => void;
  readonly #say: (text: string) => void;
  #layout: Layout | undefined;
  #choice: CellChoice | undefined;
  #at: Cell = [0, 0];
  /** Where a drag, or a box made with Shift, began. */
  #anchor: Cell | undefined;
  #isDragging = false;

  /** @param say tells a screen reader where the cursor is */
  constructor(svg: SVGSVGElement, onChoose: (choice: CellChoice | undefined) => void, say: (text: string) => void) {
    this.#svg = svg;
    this.#onChoose = onChoose;
    this.#say = say;
    setAttributes(svg, {
      role: 'application',
      tabindex: 0,
      'aria-roledescription': 'grid of neurons',
      'aria-label':
        'Neurons of the layer over the picture. Arrows move, Shift and arrows draw a box, Space takes a cell.',
      preserveAspectRatio: 'none',
    });
    svg.replaceChildren(this.#lines, ...this.#chosen, this.#cursor);
    svg.addEventListener('pointerdown', (event) => this.#onPointerDown(event));
    svg.addEventListener('pointermove', (event) => this.#onPointerMove(event));
    svg.addEventListener('pointerup', (event) => this.#onPointerUp(event));
    svg.addEventListener('pointercancel', () => this.#endDrag());
    svg.addEventListener('keydown', (event) => this.#onKey(event));
  }

  lay(layout: Layout): void {
    const isSame = JSON.stringify(layout) === JSON.stringify(this.#layout);
    if (isSame) return;
    this.#layout = layout;
    const { rows, columns, picture, view } = layout;
    this.#at = [Math.min(this.#at[0], rows - 1), Math.min(this.#at[1], columns - 1)];
    setAttributes(this.#svg, { viewBox: `0 0 ${picture.width} ${picture.height}` });
    const [right, bottom] = [view.left + view.width, view.top + view.height];
    let path = '';
    if (view.width / columns >= LEAST_CELL * picture.width) {
      for (let c = 1; c < columns; c++) path += `M${this.#x(c)} ${view.top}V${bottom}`;
      for (let r = 1; r < rows; r++) path += `M${view.left} ${this.#y(r)}H${right}`;
    }
    setAttributes(this.#lines, { d: path });
    this.#draw();
  }

  /** Shows a choice that was made elsewhere. */
  choose(choice: CellChoice | undefined): void {
    this.#choice = choice;
    this.#draw();
  }

  #x(column: number): number {
    const { view, columns } = this.#layout!;
    return view.left + (column / columns) * view.width;
  }

  #y(row: number): number {
    const { view, rows } = this.#layout!;
    return view.top + (row / rows) * view.height;
  }

  /** Only where they lie in the grid: a link may have cells of another layer. */
  #rectangle([r0, c0]: Cell, [r1, c1]: Cell): string {
    const [left, right] = [this.#x(Math.min(c0, c1)), this.#x(Math.max(c0, c1) + 1)];
    const [top, bottom] = [this.#y(Math.min(r0, r1)), this.#y(Math.max(r0, r1) + 1)];
    return `M${left} ${top}H${right}V${bottom}H${left}Z`;
  }

  #draw(): void {
    if (!this.#layout) return;
    const { rows, columns, view } = this.#layout;
    const choice = this.#choice;
    const path = !choice
      ? ''
      : choice.kind === 'box'
        ? this.#rectangle(...choice.corners)
        : choice.cells.map((cell) => this.#rectangle(cell, cell)).join('');
    for (const line of this.#chosen) setAttributes(line, { d: path });
    setAttributes(this.#cursor, {
      x: this.#x(this.#at[1]),
      y: this.#y(this.#at[0]),
      width: view.width / columns,
      height: view.height / rows,
    });
  }

  #cellAt({ clientX, clientY }: PointerEvent): Cell {
    const { rows, columns, picture, view } = this.#layout!;
    const box = this.#svg.getBoundingClientRect();
    const x = ((clientX - box.left) / box.width) * picture.width;
    const y = ((clientY - box.top) / box.height) * picture.height;
    const index = (share: number, count: number) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    return [index((y - view.top) / view.height, rows), index((x - view.left) / view.width, columns)];
  }

  #onPointerDown(event: PointerEvent): void {
    if (!this.#layout || event.button !== 0) return;
    this.#svg.setPointerCapture(event.pointerId);
    this.#anchor = this.#cellAt(event);
    this.#at = this.#anchor;
    this.#draw();
  }

  #onPointerMove(event: PointerEvent): void {
    if (!this.#anchor || !this.#svg.hasPointerCapture(event.pointerId)) return;
    const at = this.#cellAt(event);
    if (isSameCell(at, this.#at)) return;
    this.#at = at;
    this.#isDragging = true;
    this.#take(this.#boxTo(at));
  }

  #onPointerUp(event: PointerEvent): void {
    if (!this.#anchor || !this.#svg.hasPointerCapture(event.pointerId)) return;
    // A drag has told of its boxes already.
    if (!this.#isDragging) this.#toggle(this.#at);
    this.#endDrag();
  }

  #endDrag(): void {
    this.#anchor = undefined;
    this.#isDragging = false;
  }

  #boxTo(at: Cell): CellChoice {
    return { kind: 'box', corners: [this.#anchor!, at] };
  }

  #toggle(cell: Cell): void {
    const { rows, columns } = this.#layout!;
    const isTooMany = countOf(this.#choice) > MOST_CELLS;
    const kept = isTooMany ? [] : cellsOf(this.#choice).filter(([r, c]) => r < rows && c < columns);
    const others = kept.filter((each) => !isSameCell(each, cell));
    const next = others.length === kept.length ? [...kept, cell] : others;
    this.#take(next.length > 0 ? { kind: 'cells', cells: next } : undefined);
  }

  #take(choice: CellChoice | undefined): void {
    this.#choice = choice;
    this.#draw();
    this.#onChoose(choice);
  }

  #onKey(event: KeyboardEvent): void {
    if (!this.#layout) return;
    const [row, column] = this.#at;
    if (event.key === ' ' || event.key === 'Enter') {
      this.#toggle(this.#at);
      this.#say(`row ${row + 1}, column ${column + 1} ${this.#isChosen(this.#at) ? 'taken in' : 'taken out'}`);
    } else if (event.key === 'Escape') {
      this.#take(undefined);
      this.#say('all neurons');
    } else {
      const [down, right] = STEPS[event.key] ?? [0, 0];
      if (down === 0 && right === 0) return;
      const { rows, columns } = this.#layout;
      const to: Cell = [clamp(row + down, rows - 1), clamp(column + right, columns - 1)];
      this.#anchor = event.shiftKey ? (this.#anchor ?? this.#at) : undefined;
      this.#at = to;
      if (this.#anchor) this.#take(this.#boxTo(to));
      else this.#draw();
      this.#say(`row ${to[0] + 1}, column ${to[1] + 1}${this.#isChosen(to) ? ', taken in' : ''}`);
    }
    event.preventDefault();
  }

  #isChosen([row, column]: Cell): boolean {
    const choice = this.#choice;
    if (choice?.kind !== 'box') return cellsOf(choice).some((cell) => isSameCell(cell, [row, column]));
    const [[r0, c0], [r1, c1]] = choice.corners;
    return (row - r0) * (row - r1) <= 0 && (column - c0) * (column - c1) <= 0;
  }
}

const STEPS: Readonly<Record<string, Cell>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

const clamp = (value: number, most: number) => Math.min(most, Math.max(0, value));
const isSameCell = (a: Cell, b: Cell) => a[0] === b[0] && a[1] === b[1];

export function countOf(choice: CellChoice | undefined): number {
  if (choice?.kind !== 'box') return choice?.cells.length ?? 0;
  const [[r0, c0], [r1, c1]] = choice.corners;
  return (Math.abs(r1 - r0) + 1) * (Math.abs(c1 - c0) + 1);
}

/** A choice cell by cell. */
function cellsOf(choice: CellChoice | undefined): Cell[] {
  if (!choice) return [];
  if (choice.kind === 'cells') return [...choice.cells];
  const [[r0, c0], [r1, c1]] = choice.corners;
  const cells: Cell[] = [];
  for (let r = Math.min(r0, r1); r <= Math.max(r0, r1); r++) {
    for (let c = Math.min(c0, c1); c <= Math.max(c0, c1); c++) cells.push([r, c]);
  }
  return cells;
}
