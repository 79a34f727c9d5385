/** What the page says of failures: that it offers what can help, and nothing else. */
import { DeviceLostError, ImageError, LimitError, LoadError } from 'gradcam-webgpu';
import { describe, expect, it } from 'vitest';
import { wordsFor } from '../../demo/words.ts';

const tooLarge = (limit: string) => new LimitError('the buffers of an explanation', { limit, needed: 2, available: 1 });
/** As the engine sends it. */
const outOfMemory = (batch: number) => Object.assign(tooLarge('memory'), { batch });

describe('of a GPU with too little memory, the page', () => {
  it.each([
    [12, 6],
    [3, 2],
    [2, 1],
  ])('that could not take %i copies at once offers %i', (batch, fewerAtOnce) => {
    const { text, action } = wordsFor(outOfMemory(batch), 'explanation');
    expect(action).toEqual({ fewerAtOnce });
    expect(text).toContain(` ${batch} copies`);
  });

  it.each([
    ['one copy was too many', outOfMemory(1)],
    ['it was not an explanation', tooLarge('memory')],
    ['it was another limit', tooLarge('maxBufferSize')],
  ])('offers no fewer where %s', (_, error) => {
    expect(wordsFor(error, 'explanation').action).toBeUndefined();
  });
});

it.each([
  ['a part of the page did not come', new LoadError('methods at the input', { cause: new Error('offline') }), 'reload'],
  ['the GPU did not come back', new DeviceLostError('gone'), 'again'],
  ['what was dropped is no picture', new ImageError('no picture'), undefined],
  ['a defect', new TypeError('x is undefined'), 'again'],
])('where %s, it offers what can help', (_, error, action) => {
  const words = wordsFor(error, 'explanation');
  expect(words.action).toBe(action);
  expect(words.detail).toBe(error.message);
  expect(words.text).toMatch(/\.$/);
});
