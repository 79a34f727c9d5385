import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Tuner } from '../../src/gpu/tuner.ts';
import type { TuningStore } from '../../src/gpu/tuning.ts';
import { requestNodeGpu } from '../../src/node/dawn.ts';
import { readAllTunings, tuningFiles } from '../../src/node/tuning-files.ts';

const TUNING = { key: 'sum 3', measuredOn: '', candidates: [{ name: 'fast', ms: [1] }] };
const subject = (digest: string) => ({
  adapter: `adapter ${digest}`,
  library: 'a library',
  digest,
  kernels: async () => 'kernels',
});

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'gradcam-tuning-')), 'made', 'when needed');
});
afterEach(() => rmSync(join(folder, '..', '..'), { recursive: true }));

async function tunerOf(digest: string): Promise<Tuner> {
  const tuner = new Tuner({ tuningStore: tuningFiles(folder) });
  await tuner.load(async () => subject(digest));
  return tuner;
}

describe('timings in files', () => {
  it('are found again, and listed for each subject', async () => {
    await (await tunerOf('a')).keep(TUNING);
    await (await tunerOf('b')).keep({ ...TUNING, key: 'sum 4' });
    expect((await tunerOf('a')).tunings).toEqual([TUNING]);
    const kept = await readAllTunings(folder);
    expect(kept.map(({ subject: of, tunings }) => [of.adapter, tunings[0]?.key])).toEqual([
      ['adapter a', 'sum 3'],
      ['adapter b', 'sum 4'],
    ]);
  });

  it('that are broken are passed over, and written anew', async () => {
    await (await tunerOf('a')).keep(TUNING);
    const [name] = readdirSync(folder);
    writeFileSync(join(folder, name!), 'broken');
    writeFileSync(join(folder, 'other.json'), '{}');
    expect(await readAllTunings(folder)).toEqual([]);
    const tuner = await tunerOf('a');
    expect(tuner.tunings).toEqual([]);
    await tuner.keep(TUNING);
    expect((await readAllTunings(folder))[0]?.tunings).toEqual([TUNING]);
    expect(readdirSync(folder).sort()).toEqual(['other.json', name].sort());
  });

  it('are none where there is no folder', async () => {
    expect(await readAllTunings(folder)).toEqual([]);
    expect((await tunerOf('a')).tunings).toEqual([]);
  });
});

describe('requestNodeGpu', () => {
  it('says how a folder for timings is named', async () => {
    const options = { tuningStore: '/tmp/timings' as unknown as TuningStore };
    await expect(requestNodeGpu(options)).rejects.toThrow(/tuningStore: got "\/tmp\/timings"; .*tuningFiles\(folder\)/);
  });
});
