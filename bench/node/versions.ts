/** What a report was measured with, looked up where the bench is built: a box has no packages, a page no files. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Versions } from '../report.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const PACKAGES = ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-webgpu', '@jax-js/jax', 'webgpu'];

/** Of this library, its peers and Dawn, by package: { 'gradcam-webgpu': '0.1.0, commit 1a2b3c4', webgpu: '0.6.2', … }. */
export function installedVersions(): Versions {
  const versionIn = (folder: string): string =>
    JSON.parse(readFileSync(`${root}${folder}package.json`, 'utf8')).version;
  const others = PACKAGES.map((name) => [name, versionIn(`node_modules/${name}/`)]);
  return { 'gradcam-webgpu': `${versionIn('')}, commit ${commit()}`, ...Object.fromEntries(others) };
}

/** '1a2b3c4', '1a2b3c4-dirty' with changes of one's own, or 'unknown' outside a repository. */
export function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      cwd: root,
      encoding: 'utf8',
      stdio: 'pipe',
    }).trim();
  } catch {
    return 'unknown';
  }
}

/** For `define` of a build: what the bench finds as BENCH_VERSIONS. */
export function versionsDefinition(): { readonly BENCH_VERSIONS: string } {
  return { BENCH_VERSIONS: JSON.stringify(installedVersions()) };
}
