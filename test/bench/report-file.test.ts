import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { reportFile } from '../../bench/node/report-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'reports-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe("the report's file", () => {
  const adapter = { vendor: 'nvidia', architecture: 'ada', device: 'nvidia-l4', description: 'NVIDIA: 550.1' };
  const report = { adapter: { ...adapter, isFallback: false }, date: '2026-01-31T10:00:00.000Z' };

  it('is the one named', () => {
    expect(reportFile(join(folder, 'x.json'), report)).toBe(join(folder, 'x.json'));
  });

  it('has a name of its own in a folder, and replaces none', () => {
    const first = reportFile(folder, report);
    expect(first).toBe(join(folder, '2026-01-31-nvidia-l4.json'));
    writeFileSync(first, '');
    expect(reportFile(folder, report)).toBe(join(folder, '2026-01-31-nvidia-l4.2.json'));
  });

  it('has a name also where the adapter keeps its own to itself', () => {
    const nameless = { vendor: '', architecture: '', device: '', description: '', isFallback: false };
    expect(reportFile(folder, { ...report, adapter: nameless })).toBe(join(folder, '2026-01-31-unknown.json'));
  });
});
