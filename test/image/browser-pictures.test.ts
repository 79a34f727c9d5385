import { bundleTests } from '../runtimes/bundle.ts';
import { startChromium } from '../runtimes/chromium.ts';
import { reportTests } from '../runtimes/remote.ts';

reportTests('Chromium', await startChromium(await bundleTests(['test/image/browser-picture-tests.ts'])));
