/** Maps made in Node by Dawn, made again in Chromium and by Deno's wgpu: the same within a millionth. */
import { testGpu } from '../harness/gpu.ts';
import { loadSmallVgg } from '../network/small-vgg.ts';
import { bundleTests } from '../runtimes/bundle.ts';
import { startChromium } from '../runtimes/chromium.ts';
import { startDeno } from '../runtimes/deno.ts';
import { reportTests } from '../runtimes/remote.ts';
import { makeRecords, VGG } from './map-records.ts';

const records = await makeRecords(await loadSmallVgg(await testGpu(), VGG));
const constants = { RECORDS: JSON.stringify(records) };
const bundle = await bundleTests(['test/explain/replay-tests.ts'], { constants });
reportTests('Chromium', await startChromium(bundle));
reportTests('Deno', await startDeno(bundle));
