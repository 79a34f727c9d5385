/**
 * Runs a Node program on a chosen adapter.
 *
 * GRADCAM_TEST_ADAPTER = auto (default: a real GPU, then lavapipe, then the packaged SwiftShader), native (the machine's
 * drivers as they are), lavapipe or swiftshader. Drivers are named by the environment of the process that uses them, so
 * the choice is made here, and the program and the processes that it starts inherit it.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

export const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Ends this process with the program's exit code, or with 2 for a choice that does not exist and 1 for one that gives no
 * adapter.
 *
 * @param {readonly string[]} args the program and its arguments, as for `node`
 */
export async function runOnAdapter(args) {
  const { module: adapters } = await importSource('src/node/adapters.ts');
  const { module: programs } = await importSource('tools/run-program.ts');

  const choice = process.env.GRADCAM_TEST_ADAPTER || 'auto';
  if (!adapters.DRIVER_CHOICES.includes(choice)) {
    console.error(`GRADCAM_TEST_ADAPTER: got "${choice}"; allowed: ${adapters.DRIVER_CHOICES.join(', ')}`);
    process.exit(2);
  }

  let driver;
  try {
    driver = await adapters.chooseDriver(choice);
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
  console.error(`Adapter (${choice}): ${adapters.adapterTitle(driver.adapter)}`);

  programs.runProgram(args, { cwd: root, environment: { ...adapters.quietEnvironment(), ...driver.environment } });
}

/** TypeScript of the project's own, run from source so that no build is needed first. */
export function importSource(path) {
  return runnerImport(join(root, path), { root, configFile: false, logLevel: 'error' });
}
