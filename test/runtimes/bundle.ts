/** All tests that can run in any runtime, as one ES module that stands alone. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'vite';
import { strippedWgsl } from '../../tools/strip-wgsl.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const miniVitest = fileURLToPath(new URL('mini-vitest.ts', import.meta.url));

/** They import nothing of Node, and of vitest nothing but `describe` and `it`. */
function runtimeAgnosticTests(): string[] {
  const ops = readdirSync(`${root}/test/ops`).filter((name) => name.endsWith('.test.ts'));
  return ['test/harness/adapter.test.ts', ...ops.map((name) => `test/ops/${name}`)];
}

/** Tests of whole explanations that can run in any runtime. */
export const EXPLANATION_TESTS = ['explain', 'scores', 'presets', 'bits'].map((name) => `test/explain/${name}.test.ts`);

/** The module's exports. */
export type TestBundle = Pick<typeof import('./mini-vitest.ts'), 'listTests' | 'runTest'>;

/**
 * @param options.constants strings by the names that the tests declare them under
 * @returns the source of a module that exports {@link TestBundle}
 */
export async function bundleTests(
  files = runtimeAgnosticTests(),
  { constants = {} }: { constants?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const result = await build({
    root,
    configFile: false,
    logLevel: 'warn',
    // The kernels as the package has them: other compilers must take them, too.
    plugins: [entryModule(files), strippedWgsl()],
    define: {
      ...Object.fromEntries(Object.entries(constants).map(([name, value]) => [name, JSON.stringify(value)])),
      // What is forced here is forced there.
      'process.env.GRADCAM_TEST_VARIANT': JSON.stringify(process.env.GRADCAM_TEST_VARIANT) ?? 'undefined',
    },
    resolve: { alias: [{ find: /^vitest$/, replacement: miniVitest }] },
    build: {
      write: false,
      target: 'esnext',
      minify: false,
      rolldownOptions: {
        input: ENTRY,
        // Only Node imports Dawn, in a branch that the other runtimes never take.
        external: ['webgpu'],
        preserveEntrySignatures: 'strict',
        output: { format: 'es', codeSplitting: false },
      },
    },
  });
  const outputs = (Array.isArray(result) ? result : [result]).flatMap((part) => ('output' in part ? part.output : []));
  const [chunk, ...others] = outputs;
  if (chunk?.type !== 'chunk' || others.length > 0) {
    throw new Error(
      `the test bundle should be one file, but is ${outputs.map((output) => output.fileName).join(', ')}`,
    );
  }
  return chunk.code;
}

const ENTRY = 'virtual:all-tests';

function entryModule(files: readonly string[]): Plugin {
  const code = [
    `import { collectFile } from ${JSON.stringify(miniVitest)};`,
    `export { listTests, runTest } from ${JSON.stringify(miniVitest)};`,
    ...files.map((file) => {
      return `await collectFile(${JSON.stringify(file)}, () => import(${JSON.stringify(`${root}/${file}`)}));`;
    }),
  ].join('\n');
  return {
    name: 'all-tests',
    resolveId: (id) => (id === ENTRY ? `\0${ENTRY}` : undefined),
    load: (id) => (id === `\0${ENTRY}` ? code : undefined),
  };
}
