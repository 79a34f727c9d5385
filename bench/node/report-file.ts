/** Where a report goes. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Report, reportName } from '../report.ts';

export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/**
 * @param path a file, which is taken as it is, or a folder, where a report gets a name of its own and never takes
 * another's place
 */
export function reportFile(path: string, report: Pick<Report, 'adapter' | 'date'>): string {
  if (!isFolder(path)) return path;
  const name = reportName(report);
  for (let count = 1; ; count++) {
    const file = join(path, count === 1 ? name : name.replace(/\.json$/, `.${count}.json`));
    if (!existsSync(file)) return file;
  }
}
