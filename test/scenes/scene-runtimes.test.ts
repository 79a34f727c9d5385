import { bundleTests } from '../runtimes/bundle.ts';
import { startChromium } from '../runtimes/chromium.ts';
import { startDeno } from '../runtimes/deno.ts';
import { reportTests } from '../runtimes/remote.ts';
import './scene-runtime-tests.ts';

const bundle = await bundleTests(['test/scenes/scene-runtime-tests.ts']);
reportTests('Deno', await startDeno(bundle));
reportTests('Chromium', await startChromium(bundle));
