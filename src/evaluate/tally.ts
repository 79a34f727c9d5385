/** From what was measured on each picture to what can be said of each method. */
import type { Outcome } from '../cam/outcome.ts';
import { type BootstrapOptions, bootstrap, type Estimate } from './bootstrap.ts';
import { type Measures, THRESHOLDS } from './metrics.ts';

/** One method on one picture. */
export interface MapMeasures extends Measures {
  readonly outcome: Outcome;
}

/** All methods on one picture. */
export interface PictureMeasures {
  /** Instances of the class of which at least one pixel counts. */
  readonly instances: number;
  /** Share of the counted pixels that are object; what a map that is the same everywhere would score. */
  readonly objectShare: number;
  /** In the order of the methods. */
  readonly maps: readonly MapMeasures[];
}

export const METRICS = ['pointing', 'energy', 'iou', 'bestIou', 'recall'] as const;
export type Metric = (typeof METRICS)[number];

export interface MetricSummary extends Estimate {
  /** This method's value less the first method's, on the same pictures; none for the first method itself. */
  readonly difference: Estimate | undefined;
}

export interface MethodSummary extends Readonly<Record<Metric, MetricSummary>> {
  /** The one of THRESHOLDS at which the mean IoU is largest, and `bestIou` measured. */
  readonly bestThreshold: number;
  /** How many maps came out how; all but those that are 'ok' score 0. */
  readonly outcomes: Readonly<Record<Outcome, number>>;
}

export interface Summary {
  readonly pictures: number;
  readonly instances: number;
  /** Mean over the pictures. */
  readonly objectShare: number;
  /** By method, in the order given. */
  readonly methods: Readonly<Record<string, MethodSummary>>;
}

/** The per-picture numbers of a method, one array for each, by the index of the picture. */
interface Columns {
  readonly pointing: Float64Array;
  readonly energy: Float64Array;
  readonly iou: Float64Array;
  readonly hits: Float64Array;
  /** One for each of THRESHOLDS. */
  readonly ious: readonly Float64Array[];
}

/**
 * Collects measures in any order and sums them up in the order of the pictures, so that the numbers do not depend on how
 * the work was cut up. Memory: about 0.2 kB for each picture and method.
 */
export class Tally {
  readonly #methods: readonly string[];
  readonly #measured: Uint8Array;
  readonly #instances: Float64Array;
  readonly #objectShare: Float64Array;
  readonly #columns: readonly Columns[];
  readonly #outcomes: readonly Record<Outcome, number>[];

  /** @param pictures at most so many; those that are never set do not count. */
  constructor(pictures: number, methods: readonly string[]) {
    const column = () => new Float64Array(pictures);
    this.#methods = methods;
    this.#measured = new Uint8Array(pictures);
    this.#instances = column();
    this.#objectShare = column();
    this.#columns = methods.map(() => ({
      pointing: column(),
      energy: column(),
      iou: column(),
      hits: column(),
      ious: THRESHOLDS.map(column),
    }));
    this.#outcomes = methods.map(() => ({ ok: 0, empty: 0, 'negative-only': 0, degenerate: 0 }));
  }

  has(picture: number): boolean {
    return this.#measured[picture] === 1;
  }

  /** @param picture its index; each is set once. */
  set(picture: number, { instances, objectShare, maps }: PictureMeasures): void {
    this.#measured[picture] = 1;
    this.#instances[picture] = instances;
    this.#objectShare[picture] = objectShare;
    for (const [m, columns] of this.#columns.entries()) {
      const { pointing, energy, iou, hits, ious, outcome } = maps[m]!;
      columns.pointing[picture] = pointing;
      columns.energy[picture] = energy;
      columns.iou[picture] = iou;
      columns.hits[picture] = hits;
      for (const [k, value] of ious.entries()) columns.ious[k]![picture] = value;
      this.#outcomes[m]![outcome]++;
    }
  }

  /** @returns undefined if no picture was measured. */
  summarize(options: BootstrapOptions): Summary | undefined {
    const measured = Array.from(this.#measured.keys()).filter((picture) => this.#measured[picture] === 1);
    if (measured.length === 0) return undefined;
    const pick = (column: Float64Array) => Float64Array.from(measured, (picture) => column[picture]!);
    const instances = pick(this.#instances);
    const columns = this.#columns.map(({ ious, ...rest }) => ({
      pointing: pick(rest.pointing),
      energy: pick(rest.energy),
      iou: pick(rest.iou),
      hits: pick(rest.hits),
      ious: ious.map(pick),
    }));

    const all = new Float64Array(measured.length).fill(1);
    const estimates = bootstrap(
      measured.length,
      (counts) => {
        const values = columns.map((method) => metricsOf(method, instances, counts));
        const differences = values.slice(1).map((own) => own.map((value, k) => value - values[0]![k]!));
        return [...values, ...differences].flat();
      },
      options,
    );
    const estimate = (row: number, k: number) => estimates[row * METRICS.length + k]!;
    const summaries = this.#methods.map((name, m): [string, MethodSummary] => {
      const metrics = METRICS.map((metric, k): [Metric, MetricSummary] => [
        metric,
        { ...estimate(m, k), difference: m === 0 ? undefined : estimate(this.#methods.length + m - 1, k) },
      ]);
      return [
        name,
        {
          ...(Object.fromEntries(metrics) as Record<Metric, MetricSummary>),
          bestThreshold: THRESHOLDS[bestOf(columns[m]!.ious, all).index]!,
          outcomes: this.#outcomes[m]!,
        },
      ];
    });
    return {
      pictures: measured.length,
      instances: instances.reduce((sum, n) => sum + n, 0),
      objectShare: mean(pick(this.#objectShare), all),
      methods: Object.fromEntries(summaries),
    };
  }
}

/** In the order of METRICS. */
function metricsOf(method: Columns, instances: Float64Array, counts: Float64Array): number[] {
  return [
    mean(method.pointing, counts),
    mean(method.energy, counts),
    mean(method.iou, counts),
    bestOf(method.ious, counts).value,
    dot(method.hits, counts) / dot(instances, counts),
  ];
}

/** The largest of the means, and which it is: one threshold for all pictures. */
function bestOf(ious: readonly Float64Array[], counts: Float64Array): { value: number; index: number } {
  const means = ious.map((column) => mean(column, counts));
  const value = Math.max(...means);
  return { value, index: means.indexOf(value) };
}

function mean(values: Float64Array, counts: Float64Array): number {
  return dot(values, counts) / total(counts);
}

function total(counts: Float64Array): number {
  let sum = 0;
  for (const count of counts) sum += count;
  return sum;
}

function dot(values: Float64Array, counts: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < counts.length; i++) sum += values[i]! * counts[i]!;
  return sum;
}
