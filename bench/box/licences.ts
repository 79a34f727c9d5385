/** The licences of what the box is made of. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Folders of the packages that these modules come from, in the order of their names. */
export function packageFolders(modules: readonly string[]): string[] {
  const folders = modules.flatMap(
    (id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id.replace(/^\0/, ''))?.[0] ?? [],
  );
  return [...new Set(folders)].sort();
}

/** Name, version and licence of a package, with the licence's text where the package has it. */
export function packageNotice(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((each) => /^licen[cs]e(\.\w+)?$/i.test(each));
  const text =
    file === undefined ? 'The package holds no text of it.' : readFileSync(join(folder, file), 'utf8').trim();
  return notice(`${name} ${version}`, license ?? 'see its text', text);
}

/** @throws Error where Node's licence is not beside it, naming the places */
export function nodeNotice(): string {
  const prefix = join(dirname(process.execPath), '..');
  const places = ['LICENSE', 'share/doc/nodejs/LICENSE', 'share/doc/node/LICENSE', 'share/doc/nodejs/copyright'];
  const file = places.map((place) => join(prefix, place)).find((path) => existsSync(path));
  if (file === undefined) {
    throw new Error(
      `Node's licence is in none of ${places.map((place) => join(prefix, place)).join(', ')}: put it there`,
    );
  }
  return notice(
    `Node.js ${process.version}`,
    'MIT, with parts under other licences',
    readFileSync(file, 'utf8').trim(),
  );
}

function notice(what: string, licence: string, text: string): string {
  return `${'='.repeat(80)}\n${what}: ${licence}\n${'='.repeat(80)}\n\n${text}\n`;
}
