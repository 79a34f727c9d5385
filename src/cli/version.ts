import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** The version in this package's package.json, found by the package's own name from source and from dist alike. */
export function packageVersion(): string {
  const file = createRequire(import.meta.url).resolve('gradcam-webgpu/package.json');
  return JSON.parse(readFileSync(file, 'utf8')).version;
}
