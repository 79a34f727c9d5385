/** Every measure on a network so narrow that it takes seconds: what it says means nothing, but that it can be taken does. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Bench } from '../../bench/bench.ts';
import { dawnPeers } from '../../bench/node/peers.ts';
import { runSections, SECTIONS, skip } from '../../bench/sections.ts';
import { TARGETS } from '../../bench/targets.ts';
import { chooseDawnAdapter, openDawnGpu, requestNodeGpu } from '../../src/node/dawn.ts';

const TIMEOUT_MS = 300_000;

let bench: Bench;

beforeAll(async () => {
  const choice = await chooseDawnAdapter();
  if (choice.do !== 'use') throw new Error('no adapter in this process; run the tests by npm test');
  const gpu = await openDawnGpu(choice.adapter);
  bench = {
    gpu,
    openGpu: (limits) => requestNodeGpu({ limits, tune: 'off' }),
    peers: dawnPeers(choice.adapter),
    clock: { isSoftware: gpu.adapterInfo.isFallback, cores: 2 },
    effort: { runs: 1, budgetMs: 0 },
    quick: true,
    samples: 2,
    size: { width: 1 / 32, inputSize: 32 },
    torch: {
      device: 'a GPU',
      software: 'PyTorch',
      tasks: [
        { layer: 'block5_conv3', samples: 2, float32Ms: [2, 1, 3], tf32Ms: [1] },
        { layer: 'block1_conv1', samples: 2, float32Ms: [4, 5] },
      ],
    },
    progress: () => {},
  };
});

const sections = (name: string) => SECTIONS.filter((section) => section.name === name);

describe('each section of the bench', () => {
  const names = SECTIONS.map(({ name }) => name).filter((name) => !name.startsWith('ops.'));
  it.each(names)(
    '%s gives the rows of its targets',
    async (name) => {
      const { rows, skipped, failures } = await runSections(bench, sections(name), { asked: new Set(['m5']) });
      expect(failures).toEqual([]);
      expect(skipped).toEqual([]);
      expect(rows.length).toBeGreaterThan(0);
      const ids = sections(name).flatMap(({ targets }) => targets);
      const wanted = TARGETS.filter(({ id }) => ids.includes(id)).map(({ measure }) => measure);
      expect(rows.filter(({ reach }) => reach !== undefined).map(({ measure }) => measure)).toEqual(wanted);
      for (const { id, measure, value, reached } of rows) {
        expect(value, `${id} ${measure}`).toBeGreaterThanOrEqual(0);
        if (id === 'm8') expect(reached).toBe('reached');
      }
    },
    TIMEOUT_MS,
  );

  it('that lacks what it needs says so', async () => {
    const { rows, skipped, failures } = await runSections({ ...bench, torch: undefined }, sections('torch'));
    expect({ rows, failures }).toEqual({ rows: [], failures: [] });
    expect(skipped).toMatchObject([{ id: 'm11', reason: expect.stringMatching(/--torch FILE/) }]);
  });
});

describe('sections', () => {
  it('that break do not take the others with them', async () => {
    const [roof] = sections('roof');
    const broken = { ...roof!, name: 'broken', targets: ['m4'], run: () => Promise.reject(new Error('no such luck')) };
    const seen: [own: number, rows: number, skipped: number][] = [];
    const { rows, skipped, failures } = await runSections(bench, [broken, roof!], {
      onSection: (own, sofar) => seen.push([own.length, sofar.rows.length, sofar.skipped.length]),
    });
    expect(seen).toEqual([
      [0, 0, 1],
      [rows.length, rows.length, 1],
    ]);
    expect(failures).toMatchObject([{ section: 'broken' }]);
    expect(skipped).toEqual([{ id: 'm4', reason: 'no such luck' }]);
    expect(rows.length).toBeGreaterThan(0);
  });

  it('that were skipped are named by their measures, else by themselves', () => {
    const named = (name: string) => skip(sections(name)[0]!, 'interrupted').map(({ id }) => id);
    expect(named('memory')).toEqual(['m7', 'm9']);
    expect(named('task')).toEqual(['task']);
  });
});
