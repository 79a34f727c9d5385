/** Broken weights where the words for what is wrong with them do not come: the page was opened, and then the network failed. */
import { expect, it, vi } from 'vitest';
import { LoadError } from '../../src/errors.ts';
import { Fault } from '../../src/weights/fault.ts';
import { openWeights } from '../../src/weights/source.ts';
import { weightsErrorOf } from './helpers.ts';
import { encodeSafetensors, float32, memoryStore } from './made-files.ts';

vi.mock('../../src/weights/faults.ts', () => Promise.reject(new TypeError('Failed to fetch')));

it('is a WeightsError all the same, with the file and what is known', async () => {
  const store = memoryStore({ 'm.safetensors': encodeSafetensors([float32('w', [2], [1, 2])]).slice(0, -4) });
  const error = await weightsErrorOf(() => openWeights('m.safetensors', { store }));
  expect(error).toMatchObject({ file: 'm.safetensors', isTransfer: false, cause: expect.any(LoadError) });
  expect(error.message).toMatch(
    /^m\.safetensors: broken, or not what is needed \(truncated\); what says more could not be/,
  );
});

it('names the tensor where the fault is in one', async () => {
  const error = await new Fault('notFinite', { file: 'a', tensor: 'w' }, Number.NaN, 3).inWords();
  expect(error).toMatchObject({ file: 'a', tensor: 'w', message: expect.stringContaining('notFinite') });
});
