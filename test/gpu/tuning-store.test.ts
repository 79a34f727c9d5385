import { expect, it } from 'vitest';
import { browserTuningStore } from '../../src/gpu/tuning-store.ts';
import { bundleTests } from '../runtimes/bundle.ts';
import { startChromium } from '../runtimes/chromium.ts';
import { reportTests } from '../runtimes/remote.ts';

it('there is no store in a page where there is no IndexedDB', () => {
  expect(browserTuningStore()).toBeUndefined();
});

reportTests('Chromium', await startChromium(await bundleTests(['test/gpu/tuning-store-runtime-tests.ts'])));
