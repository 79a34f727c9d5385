/** What the bench hands out: rows, as JSON and as tables. */
import type { AdapterInfo } from '../src/gpu/gpu.ts';
import { type Duration, summarize } from './measure.ts';
import { findTarget, goalOf, MEASURE_IDS, TARGETS, type Verdict, verdict } from './targets.ts';

export interface Row {
  /** What was measured: 'm1', or a detail such as 'ops.conv2d.block1_conv2.forward.n4'. */
  readonly id: string;
  /** Which of its figures: 'time', 'arithmetic', 'traffic' …; with the id it names a row. */
  readonly measure: string;
  /** The median of the runs. */
  readonly value: number;
  readonly unit: string;
  /** The least and the greatest of the runs. */
  readonly spread: readonly [least: number, greatest: number];
  readonly runs: number;
  /** Under which circumstances, where they are not in the id. */
  readonly note?: string;
  /** Of m1 … m11: what to reach, what at the very least, and which of them was. */
  readonly reach?: number;
  readonly least?: number;
  readonly reached?: Verdict;
}

/** A measure that could not be taken. */
export interface Skipped {
  readonly id: string;
  readonly reason: string;
}

/** By package. */
export type Versions = Readonly<Record<string, string>>;

export interface Report {
  /** Of what was measured; reports of before have none. */
  readonly versions?: Versions;
  readonly adapter: AdapterInfo;
  /** Program and machine: 'Node v20.20.2, linux x64, 2 cores'. */
  readonly runtime: string;
  /** ISO 8601. */
  readonly date: string;
  readonly rows: readonly Row[];
  readonly skipped: readonly Skipped[];
}

/** What an adapter says of itself, as far as it does: browsers keep the description to themselves. */
export function adapterName({ vendor, architecture, device, description }: AdapterInfo): string {
  return [vendor, architecture, description || device].filter(Boolean).join(' ') || 'an adapter without a name';
}

/** The name of a report's file, of its day and adapter: '2026-01-31-nvidia-l4.json'. */
export function reportName({ adapter, date }: Pick<Report, 'adapter' | 'date'>): string {
  const { device, description, architecture, vendor } = adapter;
  // The description is the driver's, and changes with it.
  const words = (device || description || architecture || vendor).toLowerCase().match(/[a-z0-9]+/g) ?? ['unknown'];
  return `${date.slice(0, 'yyyy-mm-dd'.length)}-${words.join('-')}.json`;
}

/** A row from the values of its runs. */
export function row(id: string, measure: string, unit: string, values: readonly number[], note?: string): Row {
  const { median, spread, runs } = summarize(values);
  return { id, measure, value: median, unit, spread, runs, ...(note === undefined ? {} : { note }) };
}

/**
 * A row of the table of targets.
 *
 * @throws Error for what is not in the table.
 */
export function targetRow(
  id: string,
  measure: string,
  values: readonly number[],
  { isSoftware, note }: { isSoftware: boolean; note?: string },
): Row {
  const target = findTarget(id, measure);
  if (!target) throw new Error(`there is no target ${id} "${measure}" in bench/targets.ts`);
  const measured = row(id, measure, target.unit, values, note);
  const goal = goalOf(target, isSoftware);
  return { ...measured, ...goal, reached: verdict(target, goal, measured.value) };
}

/**
 * The times of runs; where the adapter is software, also their CPU time, which tells a slow program from a busy machine.
 *
 * @param whose in front of the measures' names, where an id has the times of several
 */
export function timeRows(id: string, times: readonly Duration[], adapter: AdapterInfo, whose?: string): Row[] {
  const named = (measure: string) => (whose === undefined ? measure : `${whose} ${measure}`);
  const values = (figure: keyof Duration) => times.flatMap((time) => time[figure] ?? []);
  const rows = [row(id, named('time'), 'ms', values('ms'))];
  const cpu = values('cpuMs');
  if (adapter.isFallback && cpu.length > 0) rows.push(row(id, named('CPU'), 'ms', cpu));
  return rows;
}

/** One line for each id, with all its figures: median, least … greatest. */
export function formatTable(rows: readonly Row[]): string {
  const ids = [...new Set(rows.map(({ id }) => id))];
  const lines = ids.map((id) => {
    const own = rows.filter((each) => each.id === id);
    const runs = Math.max(...own.map((each) => each.runs));
    const notes = [...new Set(own.flatMap(({ note }) => note ?? []))];
    return [id, ...own.map(formatFigure), `${runs} run${runs === 1 ? '' : 's'}`, ...notes];
  });
  return alignColumns(lines);
}

/** The table of targets: a line for each row of m1 … m11, or the reason why there is none. */
export function formatTargets(rows: readonly Row[], skipped: readonly Skipped[]): string {
  const heading = ['', 'measure', 'value', 'spread', 'reach', 'least', '', ''];
  const lines = TARGETS.flatMap(({ id, measure, unit }) => {
    const found = rows.find((each) => each.id === id && each.measure === measure);
    if (!found) return [];
    const { value, spread, reach, least, reached, runs, note } = found;
    const range = `${formatNumber(spread[0])} … ${formatNumber(spread[1])}`;
    const goals = [formatNumber(reach!), formatNumber(least!)];
    const count = `${runs} run${runs === 1 ? '' : 's'}`;
    return [
      [id, measure, `${formatNumber(value)} ${unit}`, range, ...goals, reached!, note ? `${count}; ${note}` : count],
    ];
  });
  const table = lines.length > 0 ? alignColumns([heading, ...lines]) : '';
  const reasons = MEASURE_IDS.flatMap((id) => {
    const own = skipped.filter((each) => each.id === id);
    return own.map(({ reason }) => `${id} not measured: ${reason}`);
  });
  return [table, ...reasons].filter(Boolean).join('\n');
}

export function alignColumns(lines: readonly (readonly string[])[]): string {
  const columns = Math.max(0, ...lines.map((cells) => cells.length));
  const widths = Array.from({ length: columns }, (_, i) =>
    // What stands last in its line pushes nothing aside.
    Math.max(0, ...lines.map((cells) => (i < cells.length - 1 ? cells[i]!.length : 0))),
  );
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
export function formatNumber(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
