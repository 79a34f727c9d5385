/** The tables of the page. */
import { formatNumber, type Report, type Row } from '../report.ts';

type Cell = string | { readonly text: string; readonly className: string; readonly columns?: number };

const number = (text: string): Cell => ({ text, className: 'number' });

/** m1 … m11 as far as they were measured, and why the others were not. */
export function targetTable({ rows, skipped }: Pick<Report, 'rows' | 'skipped'>): HTMLElement[] {
  const lines = rows
    .filter(({ reached }) => reached !== undefined)
    .sort((a, b) => Number(a.id.slice(1)) - Number(b.id.slice(1)))
    .map(({ id, measure, value, unit, spread, reach, least, reached, note, runs }): Cell[] => [
      id,
      measure,
      number(`${formatNumber(value)} ${unit}`),
      number(`${formatNumber(spread[0])} … ${formatNumber(spread[1])}`),
      number(formatNumber(reach!)),
      number(formatNumber(least!)),
      { text: reached!, className: reached!.replace(' ', '-') },
      { text: `${runs} run${runs === 1 ? '' : 's'}${note ? `; ${note}` : ''}`, className: 'note' },
    ]);
  const missing = skipped.map(({ id, reason }): Cell[] => [
    id,
    { text: `not measured: ${reason}`, className: 'note', columns: 7 },
  ]);
  const heads: Cell[] = ['', 'measure', number('value'), number('spread'), number('reach'), number('least'), '', ''];
  return table(heads, [...lines, ...missing]);
}

/** Everything else, a line for each figure. */
export function rowTable(rows: readonly Row[]): HTMLElement[] {
  const heads: Cell[] = ['', '', number('median'), number('spread'), number('runs'), ''];
  const lines = rows
    .filter(({ reached }) => reached === undefined)
    .map(({ id, measure, value, unit, spread, runs, note = '' }): Cell[] => [
      id,
      measure,
      number(`${formatNumber(value)} ${unit}`),
      number(`${formatNumber(spread[0])} … ${formatNumber(spread[1])}`),
      number(String(runs)),
      { text: note, className: 'note' },
    ]);
  return table(heads, lines);
}

function table(heads: readonly Cell[], lines: readonly (readonly Cell[])[]): HTMLElement[] {
  if (lines.length === 0) return [];
  const element = document.createElement('table');
  const append = (cells: readonly Cell[], tag: 'th' | 'td') => {
    const row = element.insertRow();
    for (const cell of cells) {
      const at = document.createElement(tag);
      if (typeof cell === 'string') at.textContent = cell;
      else Object.assign(at, { textContent: cell.text, className: cell.className, colSpan: cell.columns ?? 1 });
      row.append(at);
    }
  };
  append(heads, 'th');
  for (const cells of lines) append(cells, 'td');
  return [element];
}
