/** Timings in a page's IndexedDB. No assertion library. */
import { describe, it } from 'vitest';
import { Tuner } from '../../src/gpu/tuner.ts';
import { browserTuningStore } from '../../src/gpu/tuning-store.ts';
import { assertEqual } from '../harness/assertions.ts';

const TUNING = { key: 'sum 3', measuredOn: '', candidates: [{ name: 'fast', ms: [1] }] };

describe('timings in IndexedDB', () => {
  it('are found again', async () => {
    const subject = async () => ({ adapter: 'a', library: 'b', digest: 'c', kernels: async () => 'd' });
    const first = new Tuner({ tuningStore: browserTuningStore()! });
    await first.load(subject);
    assertEqual(first.tunings.length, 0, 'timings at first');
    await first.keep(TUNING);
    await first.keep({ ...TUNING, key: 'sum 4' });
    const second = new Tuner({ tuningStore: browserTuningStore()! });
    await second.load(subject);
    assertEqual(JSON.stringify(second.tunings[0]), JSON.stringify(TUNING), 'the first tuning');
    assertEqual(second.tunings.length, 2, 'timings kept');
  });

  it('are none under a key that nobody wrote', async () => {
    assertEqual(await browserTuningStore()!.read('nobody'), undefined, 'what is kept');
  });
});
