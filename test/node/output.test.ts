import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { OptionError } from '../../src/errors.ts';
import { checkOutputFolder, makeFolder, stemOf, writeFilesAtomically } from '../../src/node/output.ts';

const root = mkdtempSync(join(tmpdir(), 'gradcam-output-'));
afterAll(() => rmSync(root, { recursive: true }));

describe('stemOf', () => {
  it.each([
    ['a/b/photo.jpg', 'photo'],
    ['chelsea.pixels.npy', 'chelsea.pixels'],
    ['noextension', 'noextension'],
    ['/x/.hidden', '.hidden'],
  ])('%s → %s', (path, stem) => {
    expect(stemOf(path)).toBe(stem);
  });
});

describe('writeFilesAtomically', () => {
  it('makes the folder, writes and replaces, and leaves nothing else', async () => {
    const folder = join(root, 'new', 'deep');
    const files = new Map<string, Uint8Array | string>([
      ['a.json', '{}'],
      ['a.npy', Uint8Array.of(1, 2)],
    ]);
    await writeFilesAtomically(folder, files);
    const paths = await writeFilesAtomically(folder, new Map([['a.json', '[]']]));
    expect(paths).toEqual([join(folder, 'a.json')]);
    expect(readdirSync(folder).sort()).toEqual(['a.json', 'a.npy']);
    expect(readFileSync(join(folder, 'a.json'), 'utf8')).toBe('[]');
  });

  it('leaves nothing when a file cannot be written', async () => {
    const folder = join(root, 'fails');
    const files = new Map([
      ['good', 'x'],
      ['no-such-folder/bad', 'x'],
    ]);
    await expect(writeFilesAtomically(folder, files)).rejects.toThrow(/ENOENT/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('removes what it wrote when a name is taken by a folder', async () => {
    const folder = join(root, 'taken');
    mkdirSync(join(folder, 'b'), { recursive: true });
    await expect(writeFilesAtomically(folder, new Map([['b', 'x']]))).rejects.toThrow();
    expect(readdirSync(folder)).toEqual(['b']);
  });

  it('leaves nothing when it is aborted', async () => {
    const folder = join(root, 'aborted');
    const files = new Map([['a', 'x'.repeat(1e6)]]);
    await expect(writeFilesAtomically(folder, files, AbortSignal.abort())).rejects.toThrow();
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('makeFolder', () => {
  it('makes those above it, and takes what is there', async () => {
    const folder = join(root, 'made', 'by', 'two');
    await Promise.all([makeFolder(folder), makeFolder(folder)]);
    await makeFolder(folder);
    expect(readdirSync(join(root, 'made', 'by'))).toEqual(['two']);
  });

  it.runIf(existsSync('/proc'))('ends where the system lets nobody make folders', async () => {
    await expect(makeFolder('/proc/gradcam/deep')).rejects.toMatchObject({ code: 'ENOENT', path: '/proc/gradcam' });
  });
});

describe('checkOutputFolder', () => {
  it('accepts a folder that is there, or could be, and makes none', async () => {
    await checkOutputFolder('--out', root);
    await checkOutputFolder('--out', join(root, 'x', 'y', 'z'));
    expect(existsSync(join(root, 'x'))).toBe(false);
  });

  it('refuses a file in the place of the folder or above it', async () => {
    const file = join(root, 'file');
    writeFileSync(file, '');
    for (const folder of [file, join(file, 'below')]) {
      const check = checkOutputFolder('--out', folder);
      await expect(check).rejects.toThrow(`${file} is a file`);
      await expect(check).rejects.toBeInstanceOf(OptionError);
    }
  });
});
