import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { labelsNear, readLabels } from '../../src/cli/labels.ts';
import { OptionError } from '../../src/errors.ts';

describe('files of labels', () => {
  const root = mkdtempSync(join(tmpdir(), 'gradcam-labels-'));
  afterAll(() => rmSync(root, { recursive: true }));
  const weights = join(root, 'models', 'vgg');
  mkdirSync(weights, { recursive: true });
  mkdirSync(join(root, 'labels'));
  writeFileSync(join(weights, 'model.json'), '{}');
  writeFileSync(join(root, 'labels', 'imagenet-classes.json'), '["far"]');

  it('are found near a folder of weights, or near a file in it, the nearest first', async () => {
    expect(await labelsNear(weights)).toEqual(['far']);
    writeFileSync(join(weights, 'labels.json'), '["near"]');
    expect(await labelsNear(weights)).toEqual(['near']);
    expect(await labelsNear(join(weights, 'model.json'))).toEqual(['near']);
    writeFileSync(join(weights, 'labels.json'), '{"not": "labels"}');
    expect(await labelsNear(weights)).toEqual(['far']);
  });

  it('are absent near a URL and near nothing', async () => {
    expect(await labelsNear('https://example.com/model.safetensors')).toBeUndefined();
    expect(await labelsNear(join(root, 'none'))).toBeUndefined();
  });

  it('must be an array of strings where they are named', async () => {
    const file = join(root, 'bad.json');
    for (const text of ['{}', '[]', '[1]', 'no JSON']) {
      writeFileSync(file, text);
      await expect(readLabels('--labels', file)).rejects.toThrow(/^--labels: got ".*bad\.json"/);
    }
    await expect(readLabels('GRADCAM_LABELS', join(root, 'none'))).rejects.toThrow(OptionError);
  });
});
