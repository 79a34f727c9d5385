/** `gradcam compare`: the maps of several methods and presets side by side, and how far they differ, in numbers. */
import { join } from 'node:path';
import { Option } from 'commander';
import { outcomeOf } from '../cam/outcome.ts';
import { classTitle, findClasses, findOneClass } from '../class-names.ts';
import { methodOf } from '../custom-method.ts';
import { OptionError } from '../errors.ts';
import { sideBySide } from '../image/side-by-side.ts';
import {
  type AdapterInfo,
  type Agreement,
  agreementOf,
  type Explanation,
  explain,
  type Model,
  type OneExplanation,
  type Outcome,
  PRESETS,
  type PresetName,
  type Provenance,
} from '../index.ts';
import { COMPARED_METHODS, takesLayer } from '../methods.ts';
import { encodePng, shrinkTo } from '../node/image.ts';
import { checkOutputFolder, writeFilesAtomically } from '../node/output.ts';
import { nearMiss } from '../option-names.ts';
import type { AnyExplainOptions } from '../options.ts';
import type { Context } from './context.ts';
import { callTraits, checkCall, checkStems } from './explain.ts';
import {
  commonOptions,
  DEFAULT_FOLDER,
  type ExplainFlags,
  explainOnlyOptions,
  explainOptions,
  FIGURE_SMOOTHING,
  idleFlagNotes,
  layerOptions,
  parseNumber,
} from './flags.ts';
import { chooseMethods } from './method.ts';
import { drawMap, layerTitle, OUTCOMES, resultStem, toJson } from './result.ts';
import { checkedPictures, chooseModel, openGpu, openModel, type PictureSource, SCENE } from './setup.ts';
import { alignColumns } from './table.ts';

/** Of a picture in the sheet, in pixels: a few of them fit on a screen. */
const LONGEST_SIDE = 480;
/** Letters in a line beside a row of the sheet. */
const TITLE_LETTERS = 14;

export interface CompareFlags extends Omit<ExplainFlags, 'method' | 'preset' | 'difference'> {
  methods?: string;
  presets?: string;
}

export function compareOptions(): Option[] {
  const { samples, stdDev } = FIGURE_SMOOTHING;
  const own = ['method', 'preset', 'samples', 'stdDev', 'difference'];
  return [
    new Option(
      '--methods <name,…>',
      `methods, or files that define one (default: ${COMPARED_METHODS.join(',')}, unless there are presets)`,
    ),
    new Option('--presets <name,…>', `presets, behind the methods: ${PRESETS.join(', ')}`),
    new Option(
      '--samples <n>',
      `noisy copies, for the smooth methods and for all presets (default: ${samples}, for presets 0)`,
    ).argParser(parseNumber),
    new Option(
      '--std-dev <sigma>',
      `standard deviation of the noise (default: ${stdDev}, for presets as for explain)`,
    ).argParser(parseNumber),
    ...explainOnlyOptions().filter((option) => !own.includes(option.attributeName())),
    ...commonOptions(),
  ];
}

/** A method or a preset. */
interface Column {
  readonly name: string;
  readonly options: AnyExplainOptions;
}

/** A class at a layer, or at layers that are fused; where maps of single feature maps are asked for, one of those. */
interface Row {
  readonly classIndex: number;
  readonly label: string | undefined;
  /** In words. */
  readonly layer: string;
  /** Those of the map; undefined: all of them. */
  readonly filters: readonly number[] | undefined;
  /** Of each column, its result and which of its maps it is. */
  readonly cells: readonly { readonly result: OneExplanation; readonly map: number }[];
}

/** What `--json` prints and the .json file holds. */
interface Comparison {
  readonly image: string | undefined;
  readonly model: { readonly name: string; readonly weights: Model['weights'] };
  readonly library: string;
  readonly picture: Provenance['picture'];
  readonly adapter: AdapterInfo;
  readonly predictions: Explanation['predictions'];
  readonly rows: readonly (Omit<Row, 'cells'> & {
    readonly columns: readonly {
      readonly name: string;
      readonly outcome: Outcome;
      readonly max: number;
      readonly options: OneExplanation['options'];
    }[];
    readonly pairs: readonly ({ readonly a: string; readonly b: string } & Agreement)[];
  })[];
  readonly files: { readonly picture: string; readonly json: string };
}

/** `gradcam compare [IMAGE…]`. What is wrong with the call is found before any work. */
export async function compareCommand(files: readonly string[], flags: CompareFlags, context: Context): Promise<void> {
  const { terminal, signal } = context;
  const folder = flags.out ?? DEFAULT_FOLDER;
  const choice = await chooseModel(flags, context, files.length > 0);
  const columns = await chooseColumns(flags, choice.labels);
  const asked = columns.flatMap(({ options }) => checkCall(options, choice.graph).asked.flat());
  for (const note of idleFlagNotes(flags, callTraits(asked))) terminal.note(note);
  if (flags.samples && asked.every(({ nSamples }) => nSamples === 0)) {
    terminal.note('--samples changes nothing here: it goes with a smooth method, or with --presets');
  }
  await checkOutputFolder('--out', folder);
  checkStems(files);
  const pictures: PictureSource[] = files.length > 0 ? await checkedPictures(files) : [SCENE];

  const gpu = await openGpu(flags);
  try {
    const model = await openModel(gpu, choice, context);
    for (const { file, read } of pictures) {
      const picture = await read();
      const results: OneExplanation[][] = [];
      for (const { name, options } of columns) {
        const bar = terminal.progress(name, String);
        const onProgress = ({ done, total }: { done: number; total: number }) => bar.update(done, total);
        const call: AnyExplainOptions = { ...options, signal, onProgress };
        const explained = await explain(model, picture, call).finally(() => bar.stop());
        results.push(Array.isArray(explained) ? explained : [explained]);
      }
      const rows = rowsOf(results, choice.labels);
      const [{ predictions, provenance }] = results[0] as [OneExplanation];
      const stem = `${resultStem(file)}.compare`;
      const comparison: Comparison = {
        image: file,
        model: { name: model.name, weights: model.weights },
        library: provenance.library,
        picture: provenance.picture,
        adapter: gpu.adapterInfo,
        predictions,
        rows: rows.map((row) => describeRow(row, columns)),
        files: { picture: join(folder, `${stem}.png`), json: join(folder, `${stem}.json`) },
      };
      const contents = new Map<string, Uint8Array | string>([
        [`${stem}.png`, await encodePng(await drawSheet(rows, columns, flags))],
        [`${stem}.json`, `${toJson(comparison, 2)}\n`],
      ]);
      await writeFilesAtomically(folder, contents, signal);
      terminal.print(flags.json ? toJson(comparison) : summarize(comparison));
    }
    await gpu.idle.settled();
  } finally {
    gpu.dispose();
  }
}

// --- The call ---

/**
 * Of the methods, noisy copies are part of the smooth ones alone. What is compared of presets is their arithmetic: all take as
 * many.
 */
async function chooseColumns(flags: CompareFlags, labels: readonly string[] | undefined): Promise<Column[]> {
  const { samples, stdDev, ...others } = flags;
  const { layerName: _, ...common } = {
    ...explainOptions(others),
    classIndex: flags.class === undefined ? undefined : findClasses(flags.class, labels),
    contrast: flags.contrast === undefined ? undefined : findOneClass(flags.contrast, labels, '--contrast'),
  };
  const layers = layerOptions(flags);
  const columns: Column[] = [];
  const usual = flags.presets === undefined ? COMPARED_METHODS.join(',') : undefined;
  const methods = flags.methods ?? usual;
  for (const { method } of methods === undefined ? [] : await chooseMethods(methods, '--methods')) {
    const row = methodOf(method);
    const smoothing = row.isSmooth
      ? { nSamples: samples ?? FIGURE_SMOOTHING.samples, stdDev: stdDev ?? FIGURE_SMOOTHING.stdDev }
      : { nSamples: 0 };
    // A layer means nothing to methods at the input.
    const options = { ...common, ...(takesLayer(row) ? layers : {}), method, ...smoothing };
    columns.push({ name: row.title, options: options as AnyExplainOptions });
  }
  for (const preset of choosePresets(flags.presets)) {
    const options = { ...common, ...layers, preset, nSamples: samples, stdDev };
    columns.push({ name: preset, options: options as AnyExplainOptions });
  }
  if (columns.length >= 2) return columns;
  const [option, given] = flags.methods === undefined ? ['--presets', flags.presets] : ['--methods', flags.methods];
  throw new OptionError(option, given, 'at least two methods or presets: there is nothing to compare one with');
}

function choosePresets(list: string | undefined): PresetName[] {
  if (list === undefined) return [];
  const names = list.split(',').map((part) => part.trim());
  if (new Set(names).size < names.length) throw new OptionError('--presets', list, 'each preset once');
  return names.map((name) => {
    const preset = PRESETS.find((known) => known === name);
    if (preset === undefined)
      throw new OptionError('--presets', name, `${PRESETS.join(', ')}${nearMiss(name, PRESETS)}`);
    return preset;
  });
}

/** @param results of each column, class by class, and of each class layer by layer */
function rowsOf(results: readonly (readonly OneExplanation[])[], labels: readonly string[] | undefined): Row[] {
  const longest = results.reduce((most, column) => (column.length > most.length ? column : most));
  return longest.flatMap((_, i) => {
    // Methods at the input make one map of each class, whatever the layers.
    const ofRow = results.map((column) => column[Math.floor((i * column.length) / longest.length)]!);
    const { classIndex, options, map } = ofRow.find((result) => result.options.layerName !== undefined) ?? ofRow[0]!;
    const { filters } = options;
    const [maps] = map.shape;
    return Array.from({ length: maps }, (_, m) => ({
      classIndex,
      label: labels?.[classIndex],
      layer: layerTitle(options),
      filters: maps > 1 ? [filters![m]!] : filters,
      cells: ofRow.map((result) => ({ result, map: m })),
    }));
  });
}

// --- The numbers ---

function describeRow({ cells, ...row }: Row, columns: readonly Column[]): Comparison['rows'][number] {
  const maps = cells.map(({ result, map }) => singleMap(result, map));
  return {
    ...row,
    columns: cells.map(({ result, map }, c) => ({
      name: columns[c]!.name,
      outcome: outcomeOfMap(result, map),
      max: maps[c]!.data.reduce((most, value) => Math.max(most, value), 0),
      options: result.options,
    })),
    pairs: columns.flatMap((a, i) =>
      columns.slice(i + 1).map((b, j) => ({
        a: a.name,
        b: b.name,
        ...agreementOf(maps[i]!, maps[i + 1 + j]!)[0]!,
      })),
    ),
  };
}

function singleMap({ map: { data, shape } }: OneExplanation, map: number) {
  const [, height, width] = shape;
  const cells = height * width;
  return { data: data.subarray(map * cells, (map + 1) * cells), shape: [1, height, width] as const };
}

/** Of one of the result's maps, which may be empty where others are not. */
function outcomeOfMap(result: OneExplanation, map: number): Outcome {
  const [maps, height, width] = result.map.shape;
  if (maps === 1) return result.outcome;
  const signed = result.signed.data.subarray(map * height * width, (map + 1) * height * width);
  return outcomeOf(signed, { zeroCells: result.alphaZeroCells, cells: result.alphaCells });
}

function summarize({ image, rows, files }: Comparison): string {
  const number = (value: number | undefined) => value?.toFixed(3) ?? '-';
  const blocks = rows.map(({ columns, pairs, ...row }) => {
    const table = alignColumns([
      [rowWords(row, rows), 'largest difference', 'rank correlation', 'overlap'],
      ...pairs.map(({ a, b, maxDifference, rankCorrelation, overlap }) => [
        `  ${a} | ${b}`,
        number(maxDifference),
        number(rankCorrelation),
        number(overlap),
      ]),
    ]);
    const largest = columns.map(({ name, max }) => `${name} ${max.toPrecision(3)}`).join(', ');
    const notOk = columns.filter(({ outcome }) => outcome !== 'ok');
    return [
      ...table,
      `  largest values: ${largest}`,
      ...notOk.map(({ name, outcome }) => `  ${name}: ${OUTCOMES[outcome]}`),
    ].join('\n');
  });
  const { classIndex, label } = rows[0]!;
  const isOneClass = rows.every((row) => row.classIndex === classIndex);
  const title = `${image ?? 'the scene'}${isOneClass ? `: ${classTitle(classIndex, label)}` : ''}`;
  return [title, ...blocks, `  ${files.picture}`, `  ${files.json}`].join('\n');
}

// --- The picture ---

type RowTitle = Omit<Row, 'cells'>;

/** What tells a row from the others. */
function rowParts({ classIndex, label, layer, filters }: RowTitle, rows: readonly RowTitle[]): string[] {
  const differs = (of: (row: RowTitle) => unknown) => rows.some((row) => of(row) !== of(rows[0]!));
  return [
    ...(differs((row) => row.classIndex) ? [label?.split(',')[0] ?? `class ${classIndex}`] : []),
    ...(differs((row) => row.layer) ? [layer] : []),
    ...(filters === undefined ? [] : [`${filters.length > 1 ? 'filters' : 'filter'} ${filters.join('+')}`]),
  ];
}

function rowWords(row: RowTitle, rows: readonly RowTitle[]): string {
  return [`at ${row.layer}`, ...rowParts(row, rows).filter((part) => part !== row.layer)].join(', ');
}

/** Rows as above, a column for each method or preset, and in front of them the picture itself. */
async function drawSheet(rows: readonly Row[], columns: readonly Column[], flags: CompareFlags) {
  const [{ cells }] = rows as [Row];
  const [{ result }] = cells as [Row['cells'][number]];
  const plain = await shrinkTo(await result.overlay({ opacity: 0 }), LONGEST_SIDE);
  const pictures = [];
  for (const [r, row] of rows.entries()) {
    pictures.push(r === 0 ? plain : undefined);
    for (const { result, map } of row.cells)
      pictures.push(await shrinkTo(await drawMap(result, map, flags), LONGEST_SIDE));
  }
  const rowTitles = rows.map((row) => rowParts(row, rows).flatMap((part) => wrap(part, TITLE_LETTERS)));
  return sideBySide(pictures, {
    columns: columns.length + 1,
    headings: [['Picture'], ...columns.map(({ name }, c) => [name, ...noiseOf(cells[c]!.result.options)])],
    rowTitles: rowTitles.some((lines) => lines.length > 0) ? rowTitles : undefined,
  });
}

function noiseOf({ nSamples, stdDev, noiseScale }: OneExplanation['options']): string[] {
  if (nSamples === 0) return [];
  return [`n = ${nSamples}, σ = ${stdDev}${noiseScale === 'absolute' ? ' abs' : ''}`];
}

/** Words in lines of at most so many letters, where they are not longer themselves. */
function wrap(text: string, letters: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= letters) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
