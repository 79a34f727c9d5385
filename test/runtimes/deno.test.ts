import { bundleTests } from './bundle.ts';
import { startDeno } from './deno.ts';
import { reportTests } from './remote.ts';

reportTests('Deno', await startDeno(await bundleTests()));
