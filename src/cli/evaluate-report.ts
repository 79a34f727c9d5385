/** The summary of an evaluation as a table, as CSV and as JSON. */
import type { Estimate } from '../evaluate/bootstrap.ts';
import { HIT_COVERAGE } from '../evaluate/metrics.ts';
import { METRICS, type MethodSummary, type Metric, type Summary } from '../evaluate/tally.ts';
import { alignColumns } from './table.ts';

/** The map's share of its maximum that a metric cuts at; undefined for those that do not cut. */
function thresholdOf(metric: Metric, method: MethodSummary, threshold: number): number | undefined {
  if (metric === 'bestIou') return method.bestThreshold;
  return metric === 'iou' || metric === 'recall' ? threshold : undefined;
}

/** Methods by name, each with its metrics: value, low, high, difference, and the threshold where there is one. */
export function methodsAsJson(summary: Summary, threshold: number): Record<string, object> {
  const methods = Object.entries(summary.methods).map(([name, method]) => {
    const metrics = METRICS.map((metric) => {
      const cut = thresholdOf(metric, method, threshold);
      const coverage = metric === 'recall' ? { coverage: HIT_COVERAGE } : {};
      return [metric, { ...method[metric], ...(cut === undefined ? {} : { threshold: cut }), ...coverage }];
    });
    return [name, { ...Object.fromEntries(metrics), outcomes: method.outcomes }];
  });
  return Object.fromEntries(methods);
}

const CSV_COLUMNS =
  'method,metric,value,low,high,difference,difference_low,difference_high,threshold,pictures,instances,not_ok';

/** A row for each method and metric; cells without a value are empty. */
export function toCsv(summary: Summary, threshold: number): string {
  const rows = Object.entries(summary.methods).flatMap(([name, method]) =>
    METRICS.map((metric) => {
      const { value, low, high, difference } = method[metric];
      const cells = [
        name,
        metric,
        value,
        low,
        high,
        difference?.value,
        difference?.low,
        difference?.high,
        thresholdOf(metric, method, threshold),
        summary.pictures,
        summary.instances,
        notOk(method),
      ];
      return cells.map((cell) => cell ?? '').join(',');
    }),
  );
  return [CSV_COLUMNS, ...rows, ''].join('\n');
}

function notOk({ outcomes }: MethodSummary): number {
  return outcomes.empty + outcomes['negative-only'] + outcomes.degenerate;
}

const TITLES: Readonly<Record<Metric, (threshold: number) => string>> = {
  pointing: () => 'pointing',
  energy: () => 'energy',
  iou: (threshold) => `IoU at ${threshold}`,
  bestIou: () => 'best IoU (at)',
  recall: (threshold) => `recall at ${threshold}`,
};

/** The metrics of each method with their intervals, then the differences from the first method. */
export function toTable(summary: Summary, threshold: number): string {
  const methods = Object.entries(summary.methods);
  const [first] = methods[0]!;
  const valueRows = methods.map(([name, method]) => [
    name,
    ...METRICS.map((metric) => {
      const at = metric === 'bestIou' ? ` (${method.bestThreshold})` : '';
      return `${interval(method[metric], share)}${at}`;
    }),
  ]);
  const differenceRows = methods
    .slice(1)
    .map(([name, method]) => [name, ...METRICS.map((metric) => interval(method[metric].difference!, signedShare))]);
  const lines = alignColumns([
    ['', ...METRICS.map((metric) => TITLES[metric](threshold))],
    ...valueRows,
    ...(differenceRows.length > 0 ? [[`less ${first}:`, ...METRICS.map(() => '')], ...differenceRows] : []),
  ]);
  const flat = share(summary.objectShare);
  lines.push(`A map that is the same everywhere scores ${flat} in pointing, energy and IoU, and 1 in recall.`);
  for (const [name, method] of methods) {
    if (notOk(method) === 0) continue;
    const kinds = Object.entries(method.outcomes).filter(([outcome, count]) => outcome !== 'ok' && count > 0);
    const counts = kinds.map(([outcome, count]) => `${count} ${outcome}`).join(', ');
    lines.push(`Maps of ${name} that show nothing, and score 0: ${notOk(method)} of ${summary.pictures} (${counts})`);
  }
  return lines.join('\n');
}

function interval({ value, low, high }: Estimate, format: (value: number) => string): string {
  return `${format(value)} [${format(low)}, ${format(high)}]`;
}

function share(value: number): string {
  return value.toFixed(3);
}

function signedShare(value: number): string {
  const text = share(value);
  return value > 0 && Number(text) > 0 ? `+${text}` : Number(text) === 0 ? share(0) : text;
}
