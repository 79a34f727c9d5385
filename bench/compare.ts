/** Two reports row by row: what became better, what worse. */
import { adapterName, alignColumns, formatNumber, type Report, type Row } from './report.ts';
import { findTarget } from './targets.ts';

/** 'changed' is neither better nor worse: a share of a whole. */
export type Change = 'better' | 'worse' | 'changed' | 'same';

export interface Comparison {
  readonly id: string;
  readonly measure: string;
  readonly unit: string;
  readonly before: Row;
  readonly now: Row;
  /** now / before; undefined where before was 0. */
  readonly ratio: number | undefined;
  /** Better or worse where the spreads of the runs do not meet, and the medians are further apart than noise. */
  readonly change: Change;
}

/** Units of which less is better. The one without a name counts batches and dispatches. */
const COSTS = ['ms', 's', 'MiB', 'per batch', '', 'of the greatest value'];
/** Units of which more is better; a target says it of its own. */
const GAINS = ['GFLOP/s', 'GB/s', '×', '%'];
/** Medians closer than this are the same, however narrow their spreads. */
const NOISE = 0.03;

/** Rows that both reports have, in the order of `now`. */
export function compareRows(before: readonly Row[], now: readonly Row[]): Comparison[] {
  return now.flatMap((row) => {
    const old = before.find(({ id, measure }) => id === row.id && measure === row.measure);
    if (!old) return [];
    const ratio = old.value === 0 ? undefined : row.value / old.value;
    const { id, measure, unit } = row;
    return [{ id, measure, unit, before: old, now: row, ratio, change: changeOf(old, row) }];
  });
}

function changeOf(before: Row, now: Row): Change {
  const meet = before.spread[0] <= now.spread[1] && now.spread[0] <= before.spread[1];
  if (meet || Math.abs(now.value - before.value) <= NOISE * Math.abs(before.value)) return 'same';
  const wanted = findTarget(now.id, now.measure)?.better ?? wantedOf(now.unit);
  if (wanted === undefined) return 'changed';
  return now.value < before.value === (wanted === 'less') ? 'better' : 'worse';
}

function wantedOf(unit: string): 'more' | 'less' | undefined {
  if (COSTS.includes(unit)) return 'less';
  return GAINS.includes(unit) ? 'more' : undefined;
}

/** The comparison as text, with what would make it meaningless in front. */
export function formatComparison(before: Report, now: Omit<Report, 'skipped'>): string {
  const warnings: string[] = [];
  const adapters = [before, now].map(({ adapter }) => adapterName(adapter));
  if (adapters[0] !== adapters[1]) warnings.push(`Other adapters: then ${adapters[0]}, now ${adapters[1]}.`);
  if (before.runtime !== now.runtime) warnings.push(`Other machines: then ${before.runtime}, now ${now.runtime}.`);
  for (const [name, version] of Object.entries(now.versions ?? {})) {
    const then = before.versions?.[name];
    if (then !== undefined && then !== version) warnings.push(`Other ${name}: then ${then}, now ${version}.`);
  }
  const comparisons = compareRows(before.rows, now.rows);
  if (comparisons.length === 0) {
    return [...warnings, 'The reports have no row in common: ids name the measure, the layer and n.'].join('\n');
  }
  const lines = comparisons.map(({ id, measure, unit, before: then, now: later, ratio, change }) => [
    id,
    measure,
    `${formatNumber(then.value)} → ${formatNumber(later.value)} ${unit}`,
    ratio === undefined ? '' : `× ${formatNumber(ratio)}`,
    change === 'same' ? '' : change,
    // Other circumstances, another n or peer's setting, may be the whole difference.
    then.note === later.note ? '' : `then: ${then.note ?? 'no note'}; now: ${later.note ?? 'no note'}`,
  ]);
  const count = (change: Change) => comparisons.filter((each) => each.change === change).length;
  const others = now.rows.length - comparisons.length;
  const summary = [
    `${comparisons.length} rows in both: ${count('better')} better, ${count('worse')} worse,`,
    ...(count('changed') > 0 ? [`${count('changed')} changed,`] : []),
    'the others the same within their spread.',
    ...(others > 0 ? [`Rows that the earlier report has not: ${others}.`] : []),
  ].join(' ');
  return [...warnings, alignColumns(lines), summary].join('\n');
}

/**
 * A report as its JSON file holds it.
 *
 * @throws Error saying what is missing.
 */
export function parseReport(text: string): Report {
  const report = JSON.parse(text) as Partial<Report>;
  if (!report.adapter || !Array.isArray(report.rows)) throw new Error('it has no adapter and rows');
  // Reports of before had no list of what was skipped.
  return { runtime: '', date: '', skipped: [], ...report } as Report;
}
