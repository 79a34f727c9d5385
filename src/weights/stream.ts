/** From the files of a layout to the tensors in them, a chunk at a time. */
import { sumOf } from '../sum.ts';
import { type ByteReader, displayName, type FileToRead } from './byte-reader.ts';
import { PieceCutter } from './decode.ts';
import { Fault } from './fault.ts';
import type { StoredTensor, TensorGroup, WeightsLayout } from './layout.ts';
import { readSafetensorsHeader } from './safetensors.ts';

export interface StoredPiece {
  readonly tensor: StoredTensor;
  /** Index of the first element. */
  readonly offset: number;
  /** Whole elements. */
  readonly stored: Uint8Array<ArrayBuffer>;
}

/** A group of tensors with its place among all the files. */
interface FileRun extends TensorGroup {
  /** Index of the group's first file, and that of the next group's. */
  readonly firstFile: number;
  readonly endFile: number;
  /** Of all its files, the header included. */
  readonly byteLength: number;
}

/** Bytes of the whole model, the header included. */
export function totalBytes(layout: WeightsLayout): number {
  return fileRuns(layout).reduce((sum, run) => sum + run.byteLength, 0);
}

/** Every file of the layout in order. How a group's bytes are shared among its files is not written anywhere. */
export function filesToRead(layout: WeightsLayout): FileToRead[] {
  return fileRuns(layout).flatMap(({ files, byteLength, shard }) =>
    files.map((location) => ({ location, estimatedBytes: byteLength / files.length, ...shard })),
  );
}

/**
 * Reads all files to their ends and yields the wanted tensors' pieces.
 *
 * @param reader of `filesToRead(layout)`, at the beginning of the first
 * @param behindHeader whether it stands behind that one's header already
 * @throws Fault where a file holds fewer or more bytes than its tensors need.
 */
export async function* streamTensors(
  reader: ByteReader,
  layout: WeightsLayout,
  pieceElements: number,
  isWanted: (tensor: StoredTensor) => boolean,
  behindHeader: boolean,
): AsyncGenerator<StoredPiece, void, undefined> {
  for (const run of fileRuns(layout)) {
    const inOrder = run.headerBytes > 0 && !behindHeader ? await readOverHeader(reader, run) : run.tensors;
    for (const tensor of inOrder) {
      const cutter =
        tensor.encoding && isWanted(tensor)
          ? new PieceCutter(tensor.encoding.dtype, tensor.elementCount, pieceElements)
          : undefined;
      let bytesLeft = tensor.byteLength;
      while (bytesLeft > 0) {
        const bytes = await reader.read(bytesLeft, run.endFile, tensor.name);
        if (bytes === undefined) throw truncation(reader, run, tensor.name);
        bytesLeft -= bytes.length;
        for (const { offset, stored } of cutter?.push(bytes) ?? []) {
          yield { tensor, offset: offset + (tensor.part?.firstElement ?? 0), stored };
        }
      }
    }
    if ((await reader.read(1, run.endFile)) !== undefined) {
      throw new Fault('goesOn', reader.file, run.byteLength, run.files.length);
    }
  }
}

/**
 * Reads a file's header, which must say what was known of the file before.
 *
 * @returns the tensors in the order in which the header has them
 */
async function readOverHeader(
  reader: ByteReader,
  { files: [location], tensors, headerBytes }: FileRun,
): Promise<StoredTensor[]> {
  const found = await readSafetensorsHeader(reader, location!, tensors[0]?.name);
  const expected = new Map(tensors.map((tensor) => [nameInFile(tensor), tensor]));
  const inOrder = found.tensors.map((tensor) => {
    const known = expected.get(tensor.name);
    if (describe(known) !== describe(tensor)) refuse(known ?? tensor, describe(known), describe(tensor));
    expected.delete(tensor.name);
    return known!;
  });
  const [missing] = expected.values();
  if (missing) refuse(missing, describe(missing), describe(undefined));
  if (found.headerBytes !== headerBytes) {
    const header = (bytes: number) => `a header of ${bytes} bytes`;
    refuse(undefined, header(headerBytes), header(found.headerBytes));
  }
  return inOrder;

  function refuse(tensor: StoredTensor | undefined, expected: string, found: string): never {
    throw new Fault('notAsIndexed', displayName(location!), tensor?.name, expected, found);
  }
}

function nameInFile({ name, part }: StoredTensor): string {
  return part?.name ?? name;
}

/** A tensor as its file has it. */
function describe(tensor: StoredTensor | undefined): string {
  return tensor ? `${nameInFile(tensor)}, ${tensor.dtype}, ${tensor.byteLength} bytes` : 'nothing';
}

function fileRuns(layout: WeightsLayout): FileRun[] {
  let endFile = 0;
  return layout.groups.map((group) => {
    const firstFile = endFile;
    endFile += group.files.length;
    const byteLength = group.tensors.reduce((sum, tensor) => sum + tensor.byteLength, group.headerBytes);
    return { ...group, firstFile, endFile, byteLength };
  });
}

/**
 * The error for files that end too early. Shards are cut to one size, the last one excepted: one that is shorter than
 * the others is at fault, else the last.
 */
function truncation(reader: ByteReader, run: FileRun, tensor: string): Fault {
  const lengths = reader.fileBytes.slice(run.firstFile, run.endFile);
  const longest = Math.max(...lengths);
  const short = lengths.slice(0, -1).findIndex((length) => length < longest);
  const found = sumOf(lengths);
  return new Fault('truncated', displayName(run.files.at(short)!), tensor, run.byteLength, run.files.length, found);
}
