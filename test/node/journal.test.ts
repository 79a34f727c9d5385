import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { Journal, settingsKey } from '../../src/node/journal.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradcam-journal-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SETTINGS = { model: 'vgg16', seed: 1 };
let path = '';
let count = 0;
beforeEach(() => {
  path = join(folder, `${count++}`, 'journal.jsonl');
});

/** Opens the journal, appends, closes it, and tells what had been there. */
async function session(append: unknown[], settings: object = SETTINGS, accept = (_: unknown) => true) {
  const found: unknown[] = [];
  const journal = await Journal.open(path, settings, (result) => {
    const accepted = accept(result);
    if (accepted) found.push(result);
    return accepted;
  });
  for (const result of append) await journal.append(result);
  await journal.close();
  return found;
}

function lines(): unknown[] {
  const text = readFileSync(path, 'utf8');
  expect(text.endsWith('\n')).toBe(true);
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe('a journal', () => {
  it('begins with its settings and goes on where it was left', async () => {
    expect(await session([{ a: 0.1 + 0.2 }, null])).toEqual([]);
    expect(await session(['third'])).toEqual([{ a: 0.1 + 0.2 }, null]);
    expect(lines()).toEqual([{ key: settingsKey(SETTINGS), settings: SETTINGS }, { a: 0.1 + 0.2 }, null, 'third']);
  });

  it('drops a line that was cut anywhere, and is whole afterwards', async () => {
    await session(['first', { second: 'ü×'.repeat(20) }]);
    const size = statSync(path).size;
    const whole = readFileSync(path);
    const firstEnds = whole.lastIndexOf(10, -2) + 1;
    for (let cut = firstEnds; cut < size; cut++) {
      writeFileSync(path, whole);
      truncateSync(path, cut);
      expect(await session(['again'])).toEqual(['first']);
      expect(lines().slice(1)).toEqual(['first', 'again']);
    }
  });

  it('is cut at the first line that is none, or that is refused', async () => {
    await session(['first']);
    appendFileSync(path, '\0\0\0\n"second"\n');
    expect(await session(['third', 4])).toEqual(['first']);
    expect(await session([], SETTINGS, (result) => typeof result === 'string')).toEqual(['first', 'third']);
    expect(await session([])).toEqual(['first', 'third']);
  });

  it.each([
    ['of other settings', () => session(['other'], { ...SETTINGS, seed: 2 })],
    ['whose first line was cut', async () => writeFileSync(path, '{"key":"')],
    ['that is empty', async () => writeFileSync(path, '')],
  ])('%s is begun anew', async (_, prepare) => {
    await session(['first']);
    await prepare();
    expect(await session(['new'])).toEqual([]);
    expect(lines()).toEqual([{ key: settingsKey(SETTINGS), settings: SETTINGS }, 'new']);
  });

  it('is read in pieces: lines longer than any of them come back whole', async () => {
    const long = Array.from({ length: 30 }, (_, i) => `${i}`.repeat(20_000));
    await session(long);
    expect(await session([])).toEqual(long);
  });
});

it('the key depends on every value', () => {
  const keys = [SETTINGS, { ...SETTINGS, seed: 2 }, { ...SETTINGS, extra: null }, { model: 'vgg19', seed: 1 }];
  expect(new Set(keys.map(settingsKey)).size).toBe(4);
  expect(settingsKey({ ...SETTINGS, absent: undefined })).toBe(settingsKey(SETTINGS));
});
