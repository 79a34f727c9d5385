/** What the bench hands out: rows, as JSON and as a table. */
import type { AdapterInfo } from '../src/gpu/gpu.ts';
import { type Duration, summarize } from './measure.ts';

export interface Row {
  /** What was measured: 'ops.conv2d.block1_conv2.forward.n4'. */
  readonly id: string;
  /** Which of its figures: 'time', 'arithmetic', 'traffic' …; with the id it names a row. */
  readonly measure: string;
  /** The median of the runs. */
  readonly value: number;
  readonly unit: string;
  /** The least and the greatest of the runs. */
  readonly spread: readonly [least: number, greatest: number];
  readonly runs: number;
}

export interface Report {
  readonly adapter: AdapterInfo;
  /** Program and machine: 'Node v20.20.2, linux x64, 2 cores'. */
  readonly runtime: string;
  /** ISO 8601. */
  readonly date: string;
  readonly rows: readonly Row[];
}

/** A row from the values of its runs. */
export function row(id: string, measure: string, unit: string, values: readonly number[]): Row {
  const { median, spread, runs } = summarize(values);
  return { id, measure, value: median, unit, spread, runs };
}

/**
 * The times of runs; where the adapter is software, also their CPU time, which tells a slow program from a busy machine.
 *
 * @param whose in front of the measures' names, where an id has the times of several
 */
export function timeRows(id: string, times: readonly Duration[], adapter: AdapterInfo, whose?: string): Row[] {
  const named = (measure: string) => (whose === undefined ? measure : `${whose} ${measure}`);
  const rows = [
    row(
      id,
      named('time'),
      'ms',
      times.map(({ ms }) => ms),
    ),
  ];
  if (adapter.isFallback)
    rows.push(
      row(
        id,
        named('CPU'),
        'ms',
        times.map(({ cpuMs }) => cpuMs),
      ),
    );
  return rows;
}

/** One line for each id, with all its figures: median, least … greatest. */
export function formatTable(rows: readonly Row[]): string {
  const ids = [...new Set(rows.map(({ id }) => id))];
  const lines = ids.map((id) => {
    const own = rows.filter((each) => each.id === id);
    const runs = Math.max(...own.map((each) => each.runs));
    return [id, ...own.map(formatFigure), `${runs} run${runs === 1 ? '' : 's'}`];
  });
  const columns = Math.max(0, ...lines.map((cells) => cells.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...lines.map((cells) => cells[i]?.length ?? 0)));
  return lines
    .map((cells) =>
      cells
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function formatFigure({ measure, value, unit, spread }: Row): string {
  const [least, greatest] = spread;
  const range = least === greatest ? '' : ` (${formatNumber(least)} … ${formatNumber(greatest)})`;
  return `${measure} ${formatNumber(value)} ${unit}${range}`.replace(/ +/g, ' ');
}

/** Three significant digits, without an exponent. */
function formatNumber(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
