import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that nothing may run beside: what they measure is time or memory that the machine's other work would change, or they
 * build what others of them read, in dist and in build/demo.
 */
const ALONE = [
  'test/demo/{hard-cases,page}.test.ts',
  'test/element/element.test.ts',
  'test/cli/program.test.ts',
  'test/{core-size,package}.test.ts',
];

/** The others that take longest, the longest first: whatever is begun last should be short. */
const LONGEST = [
  'test/explain/chromium.test.ts',
  'test/explain/bits.test.ts',
  'test/explain/golden.test.ts',
  'test/explain/deno.test.ts',
  'test/bench/sections.test.ts',
  'test/explain/behaviour.test.ts',
  'test/explain/explain.test.ts',
  'test/cli/replay.test.ts',
  'test/cli/evaluate.test.ts',
  'test/runtimes/deno.test.ts',
  'test/runtimes/chromium.test.ts',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const found = LONGEST.findIndex((file) => moduleId.endsWith(`/${file}`));
      return found < 0 ? LONGEST.length : found;
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}

/**
 * Tests run through `npm test`, which chooses the Vulkan driver first: it must be in the environment of the process
 * before Dawn loads, so that no configuration here can do it.
 */
export default defineConfig({
  // Parts of the page are tested by themselves, and take the library by its public names.
  resolve: { tsconfigPaths: true },
  test: {
    // A process of its own for each file: Dawn is native code, and one file's lost device or crash must not reach others.
    pool: 'forks',
    // For a test that hangs. The longest takes 20 s on SwiftShader, on a machine that does nothing else.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'side by side',
          include: ['test/**/*.test.ts'],
          exclude: ALONE,
          // Small kernels and their compilation leave half of two cores idle; more files at once would time each other out.
          maxWorkers: 2,
        },
      },
      { extends: true, test: { name: 'alone', include: ALONE, fileParallelism: false } },
    ],
  },
});
