import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findClasses, labelsNear, readLabels } from '../../src/cli/labels.ts';
import { OptionError } from '../../src/errors.ts';

const LABELS = [
  'tench, Tinca tinca',
  'crane',
  'tabby, tabby cat',
  'tiger cat',
  'crane',
  'maillot',
  'maillot, tank suit',
  'Egyptian cat',
];

describe('findClasses', () => {
  it.each([
    ['2', [2]],
    ['2,0', [2, 0]],
    ['tench', [0]],
    ['TINCA  tinca', [0]],
    ['tabby cat', [2]],
    ['tabby, tabby cat', [2]],
    ['maillot, tank suit', [6]],
    ['egyptian cat, 2, tench', [7, 2, 0]],
    ['2,2,tabby', [2]],
  ])('%s', (text, classes) => {
    expect(findClasses(text, LABELS)).toEqual(classes);
  });

  it('leaves the range of an index to the model', () => {
    expect(findClasses('-1,4711', LABELS)).toEqual([-1, 4711]);
    expect(findClasses('285', undefined)).toEqual([285]);
  });

  it('lists the classes that an ambiguous name means', () => {
    expect(() => findClasses('crane', LABELS)).toThrow(/"crane".*several: 1 \(crane\); 4 \(crane\)/);
    expect(() => findClasses('crane', LABELS)).toThrow(OptionError);
  });

  it('offers what is near an unknown name', () => {
    expect(() => findClasses('cat', LABELS)).toThrow(/"cat".*2 \(tabby, tabby cat\); 3 \(tiger cat\); 7/);
    expect(() => findClasses('zebra', LABELS)).toThrow(/"zebra"; allowed: an index or a name of a class$/);
    expect(() => findClasses('', LABELS)).toThrow(/""; allowed: an index or a name of a class$/);
  });

  it('asks for labels where there are none', () => {
    expect(() => findClasses('cat', undefined)).toThrow(/--labels/);
  });
});

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
