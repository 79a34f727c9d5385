/** The roofline plot (Williams, Waterman and Patterson 2009) of a report's rows, as SVG text. */
import { formatNumber, type Row } from './report.ts';

/** A kernel in the plot. */
export interface RooflinePoint {
  readonly label: string;
  /** Of the same kind are drawn alike: 'conv2d forward'. */
  readonly kind: string;
  /** flop per byte that any kernel must move. */
  readonly intensity: number;
  readonly gflops: number;
  /** Another kernel does the same work faster: drawn small, without its name. */
  readonly isAlternative: boolean;
}

const WIDTH = 1080;
const HEIGHT = 640;
const PLOT = { left: 76, top: 56, right: 790, bottom: 548 };
const LABEL_X = PLOT.right + 34;
const LABEL_STEP = 14;
const COLORS = ['#2563eb', '#d97706', '#059669', '#be185d', '#6d28d9', '#0e7490'];

/**
 * The rows that have both arithmetic and traffic: 'ops.conv2d.block1_conv2.forward.winograd4.n4'. What stands before the
 * direction, and the direction, say which work; what stands behind it, by which kernel.
 */
export function rooflinePoints(rows: readonly Row[]): RooflinePoint[] {
  const valueAt = (id: string, measure: string) => rows.find((row) => row.id === id && row.measure === measure)?.value;
  const points = [...new Set(rows.map(({ id }) => id))].flatMap((id) => {
    const [section, op, layer, ...rest] = id.split('.');
    const [gflops, gbytes] = [valueAt(id, 'arithmetic'), valueAt(id, 'traffic')];
    if (section !== 'ops' || !op || !layer || !gflops || !gbytes) return [];
    const words = [layer, ...rest.filter((word) => !/^n\d+$/.test(word))];
    const end = words.findIndex((word) => word === 'forward' || word === 'grad-input') + 1;
    const work = [op, ...words.slice(0, end || words.length)].join(' ');
    const kind = [op, words[end - 1]].filter(Boolean).join(' ');
    return [{ label: words.join(' '), kind, intensity: gflops / gbytes, gflops, work }];
  });
  return points.map(({ work, ...point }) => {
    const isAlternative = points.some((other) => other.work === work && other.gflops > point.gflops);
    return { ...point, isAlternative };
  });
}

/**
 * Log-log, the roofs as lines, the kernels as points with their names at the side.
 *
 * @returns undefined where the rows have no roofs
 */
export function rooflineSvg(rows: readonly Row[], title: string): string | undefined {
  const roof = (measure: string) => rows.find((row) => row.id === 'roof' && row.measure === measure)?.value;
  const [peak, bandwidth, load] = [roof('multiply-add'), roof('bandwidth'), roof('load')];
  if (!peak || !bandwidth || !load) return undefined;
  const points = rooflinePoints(rows);
  const kinds = [...new Set(points.map(({ kind }) => kind))];
  const color = (kind: string) => COLORS[kinds.indexOf(kind) % COLORS.length]!;

  const xs = logScale(
    [0.25, ...points.map(({ intensity }) => intensity), (4 * peak) / bandwidth],
    PLOT.left,
    PLOT.right,
  );
  const lowest = Math.min(bandwidth * xs.low, ...points.map(({ gflops }) => gflops));
  const ys = logScale([lowest, peak * 1.5, ...points.map(({ gflops }) => gflops * 1.2)], PLOT.bottom, PLOT.top);

  const slope = (rate: number, name: string, unit: string) => {
    const ridge = peak / rate;
    const start = Math.max(xs.low, ys.low / rate);
    const from = { x: xs.at(start), y: ys.at(rate * start) };
    const to = { x: xs.at(Math.min(ridge, xs.high)), y: ys.at(Math.min(peak, rate * xs.high)) };
    const angle = (Math.atan2(to.y - from.y, to.x - from.x) * 180) / Math.PI;
    const near = { x: from.x + (to.x - from.x) * 0.06, y: from.y + (to.y - from.y) * 0.06 };
    return [
      line(from, to, 'stroke="#111827" stroke-width="1.6"'),
      `<text transform="translate(${fixed(near.x)} ${fixed(near.y)}) rotate(${fixed(angle)})" dy="-6" class="roof">`,
      `${name} ${formatNumber(rate)} ${unit}</text>`,
    ].join('');
  };
  const level = [
    line(
      { x: xs.at(peak / load), y: ys.at(peak) },
      { x: PLOT.right, y: ys.at(peak) },
      'stroke="#111827" stroke-width="1.6"',
    ),
    `<text x="${PLOT.right - 6}" y="${fixed(ys.at(peak) - 7)}" text-anchor="end" class="roof">`,
    `multiply-add ${formatNumber(peak)} GFLOP/s</text>`,
  ].join('');

  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img">`,
    `<title>${escapeXml(title)}</title>`,
    '<style>text{font:12px system-ui,sans-serif;fill:#374151}.title{font-size:15px;font-weight:600;fill:#111827}',
    '.roof{font-weight:600;fill:#111827;paint-order:stroke;stroke:#fff;stroke-width:4px}.tick{font-size:11px}.name{font-size:11px}</style>',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${PLOT.left}" y="30" class="title">${escapeXml(title)}</text>`,
    grid(xs, ys),
    ...points.map((point) => dot(xs.at(point.intensity), ys.at(point.gflops), color(point.kind), point)),
    slope(bandwidth, 'memory', 'GB/s'),
    slope(load, 'nearest cache', 'GB/s'),
    level,
    names(
      points.filter(({ isAlternative }) => !isAlternative),
      (point) => ({ x: xs.at(point.intensity), y: ys.at(point.gflops), color: color(point.kind) }),
    ),
    legend(
      kinds,
      color,
      points.some(({ isAlternative }) => isAlternative),
    ),
    '</svg>',
  ].join('\n');
}

interface Scale {
  readonly low: number;
  readonly high: number;
  at(value: number): number;
  readonly ticks: readonly number[];
}

/** From the power of two below the values to that above them. */
function logScale(values: readonly number[], from: number, to: number): Scale {
  const low = 2 ** Math.floor(Math.log2(Math.min(...values)));
  const high = 2 ** Math.ceil(Math.log2(Math.max(...values)));
  const octaves = Math.log2(high / low);
  const every = Math.max(1, Math.round(octaves / 12));
  const ticks = Array.from({ length: Math.floor(octaves / every) + 1 }, (_, i) => low * 2 ** (i * every));
  return { low, high, ticks, at: (value) => from + ((to - from) * Math.log2(value / low)) / octaves };
}

function grid(xs: Scale, ys: Scale): string {
  const faint = 'stroke="#e5e7eb"';
  const vertical = xs.ticks.map((tick) => {
    const x = xs.at(tick);
    const label = `<text x="${fixed(x)}" y="${PLOT.bottom + 18}" text-anchor="middle" class="tick">${tickText(tick)}</text>`;
    return line({ x, y: PLOT.top }, { x, y: PLOT.bottom }, faint) + label;
  });
  const horizontal = ys.ticks.map((tick) => {
    const y = ys.at(tick);
    const label = `<text x="${PLOT.left - 8}" y="${fixed(y + 4)}" text-anchor="end" class="tick">${tickText(tick)}</text>`;
    return line({ x: PLOT.left, y }, { x: PLOT.right, y }, faint) + label;
  });
  const middle = { x: (PLOT.left + PLOT.right) / 2, y: (PLOT.top + PLOT.bottom) / 2 };
  return [
    ...vertical,
    ...horizontal,
    `<text x="${middle.x}" y="${PLOT.bottom + 40}" text-anchor="middle">arithmetic intensity, flop per byte that must be moved</text>`,
    `<text transform="translate(22 ${middle.y}) rotate(-90)" text-anchor="middle">speed, GFLOP/s counted as direct</text>`,
  ].join('\n');
}

function dot(x: number, y: number, color: string, { label, kind, gflops, intensity, isAlternative }: RooflinePoint) {
  const look = isAlternative
    ? `r="2.5" fill="none" stroke="${color}"`
    : `r="4.5" fill="${color}" stroke="#fff" stroke-width="1"`;
  const hint = `${kind}, ${label}: ${formatNumber(gflops)} GFLOP/s at ${formatNumber(intensity)} flop/byte`;
  return `<circle cx="${fixed(x)}" cy="${fixed(y)}" ${look}><title>${escapeXml(hint)}</title></circle>`;
}

/** Beside the plot, from top to bottom as the points are, and as far apart as can be read; a thin line leads to each. */
function names(
  points: readonly RooflinePoint[],
  place: (point: RooflinePoint) => { x: number; y: number; color: string },
): string {
  const placed = points.map((point) => ({ point, ...place(point) })).sort((a, b) => a.y - b.y || b.x - a.x);
  const ys = spreadOut(
    placed.map(({ y }) => y),
    LABEL_STEP,
    PLOT.top + 6,
    HEIGHT - 44,
  );
  return placed
    .map(({ point, x, y, color }, i) => {
      const at = ys[i]!;
      const lead = `<polyline points="${fixed(x)},${fixed(y)} ${PLOT.right + 4},${fixed(at)} ${LABEL_X - 4},${fixed(at)}" fill="none" stroke="${color}" stroke-opacity="0.3"/>`;
      return `${lead}<text x="${LABEL_X}" y="${fixed(at + 4)}" class="name">${escapeXml(point.label)} <tspan fill="#6b7280">${formatNumber(point.gflops)}</tspan></text>`;
    })
    .join('\n');
}

/**
 * Moves sorted positions apart until no two are closer than `step`, and keeps them between two ends where there is room.
 */
export function spreadOut(sorted: readonly number[], step: number, low: number, high: number): number[] {
  const gap = Math.min(step, (high - low) / Math.max(1, sorted.length - 1));
  const result: number[] = [];
  for (const position of sorted)
    result.push(Math.max(position, low, (result.at(-1) ?? Number.NEGATIVE_INFINITY) + gap));
  // What was pushed beyond the end pushes back.
  for (let i = result.length - 1, limit = high; i >= 0; i--, limit -= gap) result[i] = Math.min(result[i]!, limit);
  return result;
}

function legend(kinds: readonly string[], color: (kind: string) => string, hasAlternatives: boolean): string {
  const y = HEIGHT - 14;
  const entry = (i: number, circle: string, text: string) => {
    const x = PLOT.left + 140 * i;
    return `<circle cx="${x + 5}" cy="${y - 4}" ${circle}/><text x="${x + 15}" y="${y}">${escapeXml(text)}</text>`;
  };
  const entries = kinds.map((kind, i) => entry(i, `r="4.5" fill="${color(kind)}"`, kind));
  const hollow = 'r="2.5" fill="none" stroke="#374151"';
  if (hasAlternatives) entries.push(entry(kinds.length, hollow, 'other kernels for the same'));
  return entries.join('\n');
}

interface Place {
  readonly x: number;
  readonly y: number;
}

function line(from: Place, to: Place, look: string): string {
  return `<line x1="${fixed(from.x)}" y1="${fixed(from.y)}" x2="${fixed(to.x)}" y2="${fixed(to.y)}" ${look}/>`;
}

function fixed(value: number): string {
  return String(Number(value.toFixed(1)));
}

/** Powers of two below 1 as fractions. */
function tickText(value: number): string {
  return value < 1 ? `1/${1 / value}` : String(value);
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
