/** Choices of kernels, and what is kept of the timings they rest on; no GPU. */
import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/errors.ts';
import type { Tuning } from '../../src/gpu/contest.ts';
import { parseTunings } from '../../src/gpu/timings.ts';
import { type TuneMode, Tuner } from '../../src/gpu/tuner.ts';
import type { TuningStore } from '../../src/gpu/tuning.ts';

const QUESTION = { key: 'sum 3', candidates: ['guess', 'fast', 'slow'] };
const SUBJECT = { adapter: 'an adapter', library: 'a library', digest: '12ab' };
const kernels = async () => 'ef56';
const subject = async () => ({ ...SUBJECT, kernels });

function tuning(key: string, ms: Readonly<Record<string, number>>): Tuning {
  return {
    key,
    measuredOn: '1 row',
    candidates: Object.entries(ms).map(([name, time]) => ({ name, ms: [time], error: 0 })),
  };
}
const TUNING = tuning(QUESTION.key, { guess: 3, fast: 1, slow: 9 });

/** What a store holds. */
const KEPT = { format: 2, subject: SUBJECT, kernels: 'ef56', tunings: [TUNING] };

function memory(): TuningStore & { readonly texts: Map<string, string> } {
  const texts = new Map<string, string>();
  return {
    texts,
    read: async (key) => texts.get(key),
    write: async (key, text) => void texts.set(key, text),
  };
}

describe('a choice', () => {
  it('is the first candidate without timings, and the fastest with them', async () => {
    const tuner = new Tuner();
    expect(tuner.choose(QUESTION)).toBe('guess');
    expect(tuner.isOpen(QUESTION)).toBe(true);
    await tuner.keep(TUNING);
    expect(tuner.choose(QUESTION)).toBe('fast');
    expect(tuner.isOpen(QUESTION)).toBe(false);
    expect(tuner.choose({ ...QUESTION, key: 'sum 4' })).toBe('guess');
    expect(tuner.tunings).toEqual([TUNING]);
  });

  it('is among the candidates, whatever was timed', async () => {
    const tuner = new Tuner();
    await tuner.keep(TUNING);
    expect(tuner.choose({ ...QUESTION, candidates: ['slow', 'guess'] })).toBe('guess');
    expect(tuner.choose({ ...QUESTION, candidates: ['new'] })).toBe('new');
    expect(tuner.isOpen({ key: 'other', candidates: ['new'] })).toBe(false);
  });

  it('is forced where it can be', async () => {
    const tuner = new Tuner({ forceVariant: 'slow' });
    await tuner.keep(TUNING);
    expect(tuner.choose(QUESTION)).toBe('slow');
    expect(tuner.choose({ ...QUESTION, candidates: ['guess', 'fast'] })).toBe('fast');
  });

  it('is by rule where tuning is off', async () => {
    const tuner = new Tuner({ tune: 'off' });
    await tuner.keep(TUNING);
    expect(tuner.choose(QUESTION)).toBe('guess');
  });

  it('of a mode that is none is refused', () => {
    const tune = 'always' as TuneMode;
    expect(() => new Tuner({ tune })).toThrow(OptionError);
    expect(() => new Tuner({ tune })).toThrow(/tune: got "always"; allowed: one of off, cached, full/);
  });
});

describe('timings', () => {
  it('are kept for the same subject', async () => {
    const tuningStore = memory();
    const first = new Tuner({ tuningStore });
    await first.load(subject);
    await first.keep(TUNING);
    const second = new Tuner({ tuningStore });
    await second.load(subject);
    expect(second.choose(QUESTION)).toBe('fast');
    const other = new Tuner({ tuningStore });
    await other.load(async () => ({ ...SUBJECT, digest: '34cd', kernels }));
    expect(other.choose(QUESTION)).toBe('guess');
    const edited = new Tuner({ tuningStore });
    await edited.load(async () => ({ ...SUBJECT, kernels: async () => '78ab' }));
    expect(edited.choose(QUESTION)).toBe('guess');
    const off = new Tuner({ tuningStore, tune: 'off' });
    await off.load(() => Promise.reject(new Error('nobody asked')));
    expect(off.tunings).toEqual([]);
  });

  it('are the only reason to ask for the kernels', async () => {
    let asked = 0;
    const tuner = new Tuner({ tuningStore: memory() });
    await tuner.load(async () => ({ ...SUBJECT, kernels: async () => String(++asked) }));
    expect(asked).toBe(0);
    await tuner.keep(TUNING);
    expect(asked).toBeGreaterThan(0);
  });

  it('are read again where that failed', async () => {
    const tuningStore = memory();
    const writer = new Tuner({ tuningStore });
    await writer.load(subject);
    await writer.keep(TUNING);
    const tuner = new Tuner({ tuningStore });
    let isOnline = false;
    const later = async () => {
      if (!isOnline) throw new Error('offline');
      return kernels();
    };
    const describe = async () => ({ ...SUBJECT, kernels: later });
    await expect(tuner.load(describe)).rejects.toThrow('offline');
    isOnline = true;
    await tuner.load(describe);
    expect(tuner.choose(QUESTION)).toBe('fast');
  });

  it('are read once', async () => {
    let reads = 0;
    const tuner = new Tuner({ tuningStore: { ...memory(), read: async () => void reads++ } });
    await Promise.all([tuner.load(subject), tuner.load(subject)]);
    await tuner.load(subject);
    expect(reads).toBe(1);
  });

  it('of several writers are all kept', async () => {
    const tuningStore = memory();
    const [one, two] = [new Tuner({ tuningStore }), new Tuner({ tuningStore })];
    await Promise.all([one.load(subject), two.load(subject)]);
    await one.keep(TUNING);
    await Promise.all([two.keep(tuning('a', { x: 1 })), two.keep(tuning('b', { x: 1 }))]);
    const [text] = tuningStore.texts.values();
    expect(parseTunings(text!)?.tunings.map(({ key }) => key)).toEqual([QUESTION.key, 'a', 'b']);
  });

  it.each([
    ['no JSON', 'sum 3'],
    ['cut off', '{"format":1,'],
    ['null', 'null'],
    ['of another format', JSON.stringify({ ...KEPT, format: 1 })],
    ['of another subject', JSON.stringify({ ...KEPT, subject: { ...SUBJECT, digest: 'x' } })],
    ['without a subject', JSON.stringify({ ...KEPT, subject: undefined })],
    ['of other kernels', JSON.stringify({ ...KEPT, kernels: '78ab' })],
    ['with times that are none', JSON.stringify({ ...KEPT, tunings: [tuning('sum 3', { fast: 0 })] })],
  ])('that are %s count as none, and are written anew', async (_, text) => {
    const tuningStore = memory();
    const writer = new Tuner({ tuningStore });
    await writer.load(subject);
    await writer.keep(TUNING);
    const [key] = tuningStore.texts.keys();
    tuningStore.texts.set(key!, text);
    const tuner = new Tuner({ tuningStore });
    await tuner.load(subject);
    expect(tuner.choose(QUESTION)).toBe('guess');
    await tuner.keep(TUNING);
    expect(parseTunings(tuningStore.texts.get(key!)!)).toMatchObject({ subject: SUBJECT, tunings: [TUNING] });
  });

  it('are used without a store that works', async () => {
    const fail = () => Promise.reject(new Error('the disk is full'));
    const tuner = new Tuner({ tuningStore: { read: fail, write: fail } });
    await tuner.load(subject);
    await tuner.keep(TUNING);
    expect(tuner.choose(QUESTION)).toBe('fast');
  });
});
