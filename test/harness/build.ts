/** The built package, for the tests of what users get. */
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { filesBelow, importGraph, ROOT, reachableFrom } from './modules.ts';

/** Builds dist unless it is newer than everything it is made of. */
export function ensureFreshBuild(): void {
  if (!buildIsFresh()) execFileSync('npm', ['run', 'build'], { cwd: ROOT, stdio: 'pipe', shell: true });
}

function buildIsFresh(): boolean {
  // The types are built last.
  const built = statSync(join(ROOT, 'dist/types/index.d.ts'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return readByTheBuild().every((path) => statSync(join(ROOT, path)).mtimeMs <= built);
}

/** Paths of the project. A folder's time is that of the last file that came, or went. */
export function readByTheBuild(): string[] {
  const sources = ['src', 'shaders'].flatMap((folder) => [
    folder,
    ...readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path)),
  ]);
  const configurations = ['vite.config.ts', 'vite.worker.config.ts'];
  const modules = importGraph([...configurations, ...filesBelow('tools', '.ts')]);
  const isOurs = (module: string) => modules.has(module);
  return [
    ...sources,
    ...new Set(configurations.flatMap((file) => reachableFrom(file, modules).filter(isOurs))),
    'tsconfig.json',
    'tsconfig.build.json',
    'package.json',
    // Which versions of packages there are.
    'package-lock.json',
  ];
}
