/** Results of long work, kept as they come, so that an interrupted run can go on. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder } from './output.ts';

/** The SHA-256 of what the results depend on, in hexadecimal. Keys that are undefined count as absent. */
export function settingsKey(settings: object): string {
  return createHash('sha256').update(JSON.stringify(settings)).digest('hex');
}

/**
 * A file of JSON lines: first the settings and their key, then a line for each result. A line is written whole or, when
 * the process is killed in the middle of it, is without its newline and dropped at the next opening: the file is cut
 * after its last line that can be read.
 */
export class Journal {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /**
   * Opens the journal for more results, or begins it, and its folder.
   *
   * @param settings what the results depend on; a journal of other settings is begun anew.
   * @param onResult is given each result that is there already, in the order of writing. One that it refuses, by
   * returning false, is as good as unreadable.
   */
  static async open(path: string, settings: object, onResult: (result: unknown) => boolean): Promise<Journal> {
    await makeFolder(dirname(path));
    const file = await open(path, 'a+');
    try {
      const key = settingsKey(settings);
      const end = await readableEnd(path, (line, index) => (index === 0 ? isHeader(line, key) : onResult(line)));
      if (end < (await file.stat()).size) await file.truncate(end);
      if (end === 0) await file.appendFile(`${JSON.stringify({ key, settings })}\n`);
      return new Journal(file);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Keeps a result: it is with the operating system when this returns, whatever becomes of the process. */
  async append(result: unknown): Promise<void> {
    await this.#file.appendFile(`${JSON.stringify(result)}\n`);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

function isHeader(line: unknown, key: string): boolean {
  return (line as { key?: unknown } | null)?.key === key;
}

/** Reads line by line, with one of them in memory, and gives the offset after the last that is complete and accepted. */
async function readableEnd(path: string, accept: (line: unknown, index: number) => boolean): Promise<number> {
  let end = 0;
  let index = 0;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    let bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    for (let newline = bytes.indexOf(10); newline >= 0; newline = bytes.indexOf(10)) {
      const line = parse(bytes.toString('utf8', 0, newline));
      if (line === undefined || !accept(line, index)) return end;
      end += newline + 1;
      index++;
      bytes = bytes.subarray(newline + 1);
    }
    rest = bytes;
  }
  return end;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
