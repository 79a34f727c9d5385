import { bundleTests } from './bundle.ts';
import { startChromium } from './chromium.ts';
import { reportTests } from './remote.ts';

reportTests('Chromium', await startChromium(await bundleTests()));
