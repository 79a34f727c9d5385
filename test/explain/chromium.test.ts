/** Whole explanations in Chromium: its compiler, its numbers, the same oracle. */
import { bundleTests, EXPLANATION_TESTS } from '../runtimes/bundle.ts';
import { startChromium } from '../runtimes/chromium.ts';
import { reportTests } from '../runtimes/remote.ts';

reportTests('Chromium', await startChromium(await bundleTests(EXPLANATION_TESTS)));
