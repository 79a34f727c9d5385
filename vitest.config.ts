import { defineConfig } from 'vitest/config';

/**
 * Tests run through `npm test`, which chooses the Vulkan driver first: it must be in the environment of the process
 * before Dawn loads, so that no configuration here can do it.
 */
export default defineConfig({
  // Parts of the page are tested by themselves, and take the library by its public names.
  resolve: { tsconfigPaths: true },
  test: {
    include: ['test/**/*.test.ts'],
    // A process of its own for each file: Dawn is native code, and one file's lost device or crash must not reach others.
    pool: 'forks',
    // A software adapter uses every core already; files side by side would only time each other out.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
