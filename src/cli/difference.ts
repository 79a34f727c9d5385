/** The difference of two results as files, as JSON, and in words: what --difference adds to them. */
import { join } from 'node:path';
import { classTitle } from '../class-names.ts';
import { methodName } from '../custom-method.ts';
import { isDiverging } from '../image/color-map.ts';
import { encodeNpy } from '../image/npy.ts';
import { addPngText, differenceMap, type OneExplanation, PNG_KEYWORD } from '../index.ts';
import { encodePng } from '../node/image.ts';
import { writeFilesAtomically } from '../node/output.ts';
import { checksumOf } from '../weights/sha256.ts';
import { DEFAULT_DIVERGING_COLOR_MAP } from './flags.ts';
import { type ReplayRecord, replayRecord } from './record.ts';
import {
  arrayShape,
  layerPart,
  layerTitle,
  overlayFile,
  type ResultContext,
  type ResultRecord,
  resultStem,
  sourceOf,
  toJson,
} from './result.ts';

/** What `--json` prints and the .json file holds; `provenance` is that of the first result. */
export interface DifferenceFileRecord
  extends Pick<ResultRecord, 'image' | 'options' | 'adapter' | 'model' | 'files'>,
    ReplayRecord {
  /** The class whose share of its map's maximum the other one's is subtracted from, and that one. */
  readonly classIndex: readonly [number, number];
  readonly labels: readonly (string | undefined)[];
  readonly map: {
    readonly maps: number;
    readonly height: number;
    readonly width: number;
    readonly min: number;
    readonly max: number;
  };
}

/** Writes STEM.cA-minus-cB.METHOD.png (overlay), .npy (the difference, −1 … 1) and .json, all of them or none. */
export async function writeDifference(
  a: OneExplanation,
  b: OneExplanation,
  context: ResultContext,
): Promise<DifferenceFileRecord> {
  const { file, folder, flags, gpu, model, labels, signal } = context;
  const classes = `.c${a.classIndex}-minus-c${b.classIndex}`;
  const base = `${resultStem(file)}${classes}${layerPart(a, context)}.${methodName(a.options.method)}`;
  const { data, shape } = differenceMap(a, b);
  const [maps, height, width] = shape;
  const replay: ReplayRecord = {
    ...replayRecord(a.provenance, sourceOf(file), folder),
    difference: { classIndex: b.classIndex, map: { shape, checksum: await checksumOf(Float32Array.from(data)) } },
  };

  const { colorMap = DEFAULT_DIVERGING_COLOR_MAP, opacity } = flags;
  const overlays = new Map<string, Uint8Array>();
  for (let map = 0; map < maps; map++) {
    const drawn = await a.overlay({
      map,
      heat: { data, shape },
      colorMap: isDiverging(colorMap) ? colorMap : DEFAULT_DIVERGING_COLOR_MAP,
      opacity,
    });
    overlays.set(overlayFile(base, map), addPngText(await encodePng(drawn), PNG_KEYWORD, toJson(replay)));
  }
  const record: DifferenceFileRecord = {
    image: file,
    model: { name: model.name, weights: model.weights },
    classIndex: [a.classIndex, b.classIndex],
    labels: [labels?.[a.classIndex], labels?.[b.classIndex]],
    map: { maps, height, width, min: Math.min(...data), max: Math.max(...data) },
    options: a.options,
    adapter: gpu.adapterInfo,
    ...replay,
    files: {
      overlays: [...overlays.keys()].map((name) => join(folder, name)),
      map: join(folder, `${base}.npy`),
      signed: undefined,
      json: join(folder, `${base}.json`),
    },
  };
  const files = new Map<string, Uint8Array | string>([
    ...overlays,
    [`${base}.npy`, encodeNpy(data, arrayShape(shape))],
    [`${base}.json`, `${toJson(record, 2)}\n`],
  ]);
  await writeFilesAtomically(folder, files, signal);
  return record;
}

/** What people want to know of a difference. */
export function summarizeDifference({ image, classIndex, labels, map, options, files }: DifferenceFileRecord): string {
  const [a, b] = classIndex.map((index, i) => classTitle(index, labels[i]));
  return [
    `${image ?? 'the scene'}: ${a} minus ${b}, from ${map.min.toFixed(2)} to ${map.max.toFixed(2)}`,
    `  ${methodName(options.method)} at ${layerTitle(options)}`,
    ...[...files.overlays, files.map, files.json].map((path) => `  ${path}`),
  ].join('\n');
}
