/** Whole explanations in Deno: its compiler, its numbers, the same oracle. */
import { bundleTests, EXPLANATION_TESTS } from '../runtimes/bundle.ts';
import { startDeno } from '../runtimes/deno.ts';
import { reportTests } from '../runtimes/remote.ts';

reportTests('Deno', await startDeno(await bundleTests(EXPLANATION_TESTS)));
