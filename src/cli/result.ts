/** An explanation as files, as JSON, and in words. */
import { join } from 'node:path';
import { classTitle } from '../class-names.ts';
import { methodName, methodOf } from '../custom-method.ts';
import { DEFAULT_THRESHOLD } from '../image/boxes.ts';
import { encodeNpy } from '../image/npy.ts';
import {
  type AdapterInfo,
  addPngText,
  type Box,
  drawBoxes,
  type Explanation,
  type Gpu,
  type Model,
  type OneExplanation,
  type OverlayImage,
  PNG_KEYWORD,
} from '../index.ts';
import { encodePng } from '../node/image.ts';
import { stemOf, writeFilesAtomically } from '../node/output.ts';
import type { ExplainFlags } from './flags.ts';
import { type ReplayRecord, replayRecord } from './record.ts';
import { DEMO_SCENE } from './setup.ts';

/** The stem of what is written for the scene that stands in for a picture. */
const SCENE_STEM = 'scene';

/** The stem of a picture's results: the file's name without its last extension. */
export function resultStem(file: string | undefined): string {
  return file === undefined ? SCENE_STEM : stemOf(file);
}

export interface ResultContext {
  readonly file: string | undefined;
  /** Whether other classes or layers are explained too, so that the class or the layer must be in the names. */
  readonly oneOfSeveralClasses: boolean;
  readonly oneOfSeveralLayers: boolean;
  readonly folder: string;
  readonly flags: Pick<ExplainFlags, 'colorMap' | 'opacity' | 'boxes'>;
  readonly gpu: Gpu;
  readonly model: Model;
  readonly labels: readonly string[] | undefined;
  /** Milliseconds of what happened outside of explain(). */
  readonly timings: Readonly<Record<string, number>>;
  readonly signal: AbortSignal;
}

/** What `--json` prints and the .json file holds; see toJson. */
export interface ResultRecord
  extends Pick<
      OneExplanation,
      | 'outcome'
      | 'classIndex'
      | 'logit'
      | 'predictions'
      | 'completeness'
      | 'alphaCells'
      | 'alphaZeroCells'
      | 'keptClasses'
      | 'droppedMass'
      | 'options'
    >,
    ReplayRecord {
  /** As it was given; none for the scene. */
  readonly image: string | undefined;
  readonly label: string | undefined;
  /** With --contrast, the name of that class. */
  readonly contrastLabel: string | undefined;
  readonly map: { readonly maps: number; readonly height: number; readonly width: number; readonly max: number };
  /** Regions where a map reaches `threshold` times its maximum; map by map, those of each as boxesOf() has them. */
  readonly boxes: { readonly threshold: number; readonly found: readonly ({ readonly map: number } & Box)[] };
  readonly model: { readonly name: string; readonly weights: Model['weights'] };
  readonly adapter: AdapterInfo;
  /** Milliseconds per stage. */
  readonly timings: Readonly<Record<string, number>>;
  /** Most bytes that GPU buffers took at a time, the weights' included. */
  readonly memory: { readonly peakBytes: number };
  readonly files: ResultFiles;
}

/** Paths of what was written. */
interface ResultFiles {
  /** One for each map. */
  readonly overlays: readonly string[];
  readonly map: string;
  /** Of methods at the input. */
  readonly signed: string | undefined;
  readonly json: string;
}

/**
 * Writes STEM.METHOD.png (overlay), .npy (raw map) and .json, all of them or none; of methods at the input also .signed.npy,
 * what each value of the input adds, [channels, height, width]. Of several maps, the first overlay has that name and the next
 * ones STEM.METHOD.map1.png and so on.
 */
export async function writeResult(result: OneExplanation, context: ResultContext): Promise<ResultRecord> {
  const { file, folder, flags, oneOfSeveralClasses, signal } = context;
  const classPart = oneOfSeveralClasses ? `.c${result.classIndex}` : '';
  const base = `${resultStem(file)}${classPart}${layerPart(result, context)}.${methodName(result.options.method)}`;
  const [mapCount] = result.map.shape;

  const threshold = boxThreshold(flags);
  const boxes = Array.from({ length: mapCount }, (_, map) => result.boxes({ map, threshold }));

  const replay = replayRecord(result.provenance, sourceOf(file), folder);

  const overlayStart = performance.now();
  const overlays = new Map<string, Uint8Array>();
  for (let map = 0; map < mapCount; map++) {
    const png = addPngText(await encodePng(await drawMap(result, map, flags)), PNG_KEYWORD, toJson(replay));
    overlays.set(overlayFile(base, map), png);
  }
  const overlayMs = performance.now() - overlayStart;

  const files = new Map<string, Uint8Array | string>(overlays);
  files.set(`${base}.npy`, encodeNpy(result.map.data, arrayShape(result.map.shape)));
  const isAtInput = methodOf(result.options.method).place === 'input';
  if (isAtInput) files.set(`${base}.signed.npy`, encodeNpy(result.signed.data, result.signed.shape));
  const record = describeResult(
    result,
    { ...context, timings: { ...context.timings, ...result.timings, overlay: overlayMs } },
    { threshold, found: boxes.flatMap((ofMap, map) => ofMap.map((box) => ({ map, ...box }))) },
    replay,
    {
      overlays: [...overlays.keys()].map((name) => join(folder, name)),
      map: join(folder, `${base}.npy`),
      signed: isAtInput ? join(folder, `${base}.signed.npy`) : undefined,
      json: join(folder, `${base}.json`),
    },
  );
  files.set(`${base}.json`, `${toJson(record, 2)}\n`);
  await writeFilesAtomically(folder, files, signal);
  return record;
}

/** What a layer adds to the names of its result's files. */
export function layerPart({ options }: OneExplanation, { oneOfSeveralLayers }: ResultContext): string {
  return oneOfSeveralLayers ? `.${options.layerName}` : '';
}

export function overlayFile(base: string, map: number): string {
  return `${base}${map === 0 ? '' : `.map${map}`}.png`;
}

/** A single map is an array of its own. */
export function arrayShape([maps, height, width]: OneExplanation['map']['shape']): number[] {
  return maps === 1 ? [height, width] : [maps, height, width];
}

/** Where the picture is, or how it is drawn. */
export function sourceOf(file: string | undefined) {
  return file === undefined ? { scene: DEMO_SCENE } : { file };
}

/** A map of the result over the picture, as the flags have it. */
export async function drawMap(
  result: OneExplanation,
  map: number,
  flags: Pick<ExplainFlags, 'colorMap' | 'opacity' | 'boxes'>,
): Promise<OverlayImage> {
  const overlay = await result.overlay({ map, colorMap: flags.colorMap, opacity: flags.opacity });
  if (flags.boxes === undefined) return overlay;
  return drawBoxes(overlay, result.boxes({ map, threshold: boxThreshold(flags) }));
}

function boxThreshold({ boxes }: Pick<ExplainFlags, 'boxes'>): number {
  return typeof boxes === 'number' ? boxes : DEFAULT_THRESHOLD;
}

/** JSON with null for what is undefined, so that every key is always there. */
export function toJson(record: unknown, indent?: number): string {
  return JSON.stringify(record, (_, value) => (value === undefined ? null : value), indent);
}

function describeResult(
  result: OneExplanation,
  { file, gpu, model, labels, timings }: ResultContext,
  boxes: ResultRecord['boxes'],
  replay: ReplayRecord,
  files: ResultFiles,
): ResultRecord {
  const [mapCount, height, width] = result.map.shape;
  return {
    image: file,
    model: { name: model.name, weights: model.weights },
    outcome: result.outcome,
    classIndex: result.classIndex,
    label: labels?.[result.classIndex],
    contrastLabel: labels?.[result.options.contrast ?? Number.NaN],
    logit: result.logit,
    predictions: result.predictions,
    completeness: result.completeness,
    map: { maps: mapCount, height, width, max: result.map.data.reduce((a, b) => Math.max(a, b), 0) },
    boxes,
    alphaCells: result.alphaCells,
    alphaZeroCells: result.alphaZeroCells,
    keptClasses: result.keptClasses,
    droppedMass: result.droppedMass,
    options: result.options,
    adapter: gpu.adapterInfo,
    timings,
    memory: { peakBytes: gpu.memory.peakBytes },
    ...replay,
    files,
  };
}

/** What people want to know of a result. */
export function summarize(result: OneExplanation, record: ResultRecord): string {
  const { options, outcome } = result;
  const image = record.image ?? 'the scene';
  const { contrast } = options;
  const rather = contrast === undefined ? '' : ` rather than ${classTitle(contrast, record.contrastLabel)}`;
  const explained = result.predictions.find(({ classIndex }) => classIndex === result.classIndex);
  const probability = explained ? `, ${percent(explained.probability)}` : '';
  const samples = options.nSamples > 0 ? `, n = ${options.nSamples}` : '';
  const preset = options.preset === undefined ? '' : `, preset ${options.preset}`;
  const lines = [
    `${image}: ${classTitle(result.classIndex, record.label)}${probability}${rather}`,
    `  ${methodName(options.method)}${preset} at ${layerTitle(options)}${samples}; outcome: ${OUTCOMES[outcome]}`,
  ];
  if (result.completeness) {
    const { attributed, gained } = result.completeness;
    lines.push(
      `  the pixels add up to ${attributed.toPrecision(4)}; the ${options.score === 'exp' ? 'logit' : options.score} gains ${gained.toPrecision(4)}`,
    );
  }
  if (result.keptClasses !== undefined) {
    const others = result.droppedMass > 0 ? `; the others have ${percent(result.droppedMass)} together` : '';
    lines.push(`  ${options.score} over ${result.keptClasses} classes${others}`);
  }
  const { overlays, map, signed, json } = record.files;
  for (const path of [...overlays, map, ...(signed ? [signed] : []), json]) lines.push(`  ${path}`);
  return lines.join('\n');
}

/** 'block5_conv3', or 'block3_conv3, block5_conv3 (mean)'. */
export function layerTitle(options: OneExplanation['options']): string {
  if ('fusion' in options) return `${options.layerName.join(', ')} (${options.fusion})`;
  return options.layerName ?? 'the input';
}

export const OUTCOMES: Readonly<Record<Explanation['outcome'], string>> = {
  ok: 'ok',
  empty: 'empty (the map is zero everywhere)',
  'negative-only': 'negative-only (every contribution speaks against the class)',
  degenerate: 'degenerate (alpha was set to zero in every cell)',
};

export function percent(probability: number): string {
  return `${(100 * probability).toFixed(2)} %`;
}
