/**
 * The program that Deno runs: it loads the test bundle named on the command line, prints the list of its tests, and then
 * for every line with an index on standard input runs that test and prints its outcome. Standard output carries
 * one JSON value per line and nothing else.
 */
import process from 'node:process';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import type { TestBundle } from './bundle.ts';

const print = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
console.log = console.error;

const bundle: TestBundle = await import(pathToFileURL(process.argv[2]!).href);
print(bundle.listTests());
for await (const line of createInterface({ input: process.stdin })) print(await bundle.runTest(Number(line)));
process.exit(0);
