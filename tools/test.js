/**
 * Runs the tests on an adapter: `npm test -- [Vitest's arguments]`.
 *
 * GRADCAM_TEST_ADAPTER = auto (default: a real GPU, then lavapipe, then the packaged SwiftShader), native (the machine's
 * drivers as they are), lavapipe or swiftshader. Drivers are named by the environment of the process that uses them, so
 * the choice is made here and Vitest, with the browsers and other runtimes it starts, inherits it.
 */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The driver logic is TypeScript of the library's own, run from source so that no build is needed before a test. */
const { module: adapters } = await runnerImport(join(root, 'src/node/adapters.ts'), {
  root,
  configFile: false,
  logLevel: 'error',
});

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

const vitestPackage = createRequire(import.meta.url).resolve('vitest/package.json');
const vitest = join(dirname(vitestPackage), 'vitest.mjs');
const child = spawn(process.execPath, [vitest, 'run', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, ...adapters.quietEnvironment(), ...driver.environment },
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
