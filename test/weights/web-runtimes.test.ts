import { bundleTests } from '../runtimes/bundle.ts';
import { startChromium } from '../runtimes/chromium.ts';
import { startDeno } from '../runtimes/deno.ts';
import { reportTests } from '../runtimes/remote.ts';

const bundle = await bundleTests(['test/weights/web-runtime-tests.ts']);
reportTests('Deno', await startDeno(bundle));
reportTests('Chromium', await startChromium(bundle));
