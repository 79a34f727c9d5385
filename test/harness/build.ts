/** The built package, for the tests of what users get. */
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './modules.ts';

/** Builds dist unless it is newer than everything it is made of. */
export function ensureFreshBuild(): void {
  if (!buildIsFresh()) execFileSync('npm', ['run', 'build'], { cwd: ROOT, stdio: 'pipe', shell: true });
}

function buildIsFresh(): boolean {
  // The types are built last.
  const built = statSync(join(ROOT, 'dist/types/index.d.ts'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = ['src', 'shaders'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  return [...sources, join(ROOT, 'package.json')].every((file) => statSync(file).mtimeMs <= built);
}
