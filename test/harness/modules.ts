/** Which module imports which, read from the sources themselves. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Paths of the files below a folder of the project, as 'src/ops/relu.ts', sorted. */
export function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(`${ROOT}/${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(ending))
    .map((path) => `${folder}/${path}`)
    .sort();
}

/** What each module imports, types included: paths of the project as in {@link filesBelow}, others as they are written. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

export function importGraph(files: readonly string[]): ImportGraph {
  return new Map(
    files.map((file) => {
      const { importedFiles } = ts.preProcessFile(readFileSync(`${ROOT}/${file}`, 'utf8'));
      return [file, importedFiles.map(({ fileName }) => resolveImport(file, fileName))];
    }),
  );
}

/** `?raw` and other queries of Vite are dropped. */
function resolveImport(from: string, written: string): string {
  if (!written.startsWith('.')) return written;
  return new URL(written, `file:///${from}`).pathname.slice(1);
}

/** Whether a module of the graph does nothing but hand on what others export. */
export function onlyReexports(file: string): boolean {
  const text = readFileSync(`${ROOT}/${file}`, 'utf8');
  const { statements } = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
  const hands = (statement: ts.Statement) => ts.isExportDeclaration(statement) || ts.isImportDeclaration(statement);
  return statements.some(ts.isExportDeclaration) && statements.every(hands);
}

/** Everything that a module needs, itself included, in no order; modules outside the graph are where it ends. */
export function reachableFrom(entry: string, graph: ImportGraph): string[] {
  const reached = new Set([entry]);
  for (const file of reached) for (const imported of graph.get(file) ?? []) reached.add(imported);
  return [...reached];
}

/** One cycle, from a module back to itself, or none. */
export function findCycle(graph: ImportGraph): string[] | undefined {
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const imported of graph.get(file) ?? []) {
      const cycle = visit(imported, [...path, file]);
      if (cycle) return cycle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of graph.keys()) {
    const cycle = visit(file, []);
    if (cycle) return cycle;
  }
  return undefined;
}

/**
 * Imports that do not point down: 'a → b'. Parts of one level know nothing of each other.
 *
 * @param levels names of parts, the lowest level first
 * @param partOf the part that a module belongs to; undefined for modules that every level may import
 */
export function upwardImports(
  graph: ImportGraph,
  levels: readonly (readonly string[])[],
  partOf: (file: string) => string | undefined,
): string[] {
  const levelOf = (part: string) => levels.findIndex((parts) => parts.includes(part));
  return [...graph].flatMap(([file, imports]) => {
    const own = partOf(file);
    return imports
      .filter((imported) => {
        const other = partOf(imported);
        if (own === undefined || other === undefined || own === other) return false;
        return levelOf(other) < 0 || levelOf(other) >= levelOf(own);
      })
      .map((imported) => `${file} → ${imported}`);
  });
}
