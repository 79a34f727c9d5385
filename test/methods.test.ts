/** The table of methods and the page that describes them. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { METHOD_TABLE, METHODS } from '../src/methods.ts';
import { ROOT } from './harness/modules.ts';

const page = readFileSync(`${ROOT}/docs/methods.md`, 'utf8');
const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')), section]),
);
const titleOf = (method: (typeof METHODS)[number]) => `${METHOD_TABLE[method].title} (\`${method}\`)`;

describe('docs/methods.md', () => {
  it.each(METHODS)('has a section on %s, with its equation, its source and its picture', (method) => {
    const section = sections.get(titleOf(method));
    expect(section, `a section "${titleOf(method)}"`).toBeDefined();
    expect(section).toContain(`\n    ${METHOD_TABLE[method].equation}\n`);
    expect(section).toContain(METHOD_TABLE[method].source);
    expect(section).toContain('Cost: ');
    expect(section).toMatch(/\bNot /);
    expect(section).toContain(`](methods/${method}.png)`);
    expect(existsSync(`${ROOT}/docs/methods/${method}.png`)).toBe(true);
  });

  it('has them in the order of the table, and no others', () => {
    const titled = [...sections.keys()].filter((title) => title.includes('`'));
    expect(titled).toEqual(METHODS.map(titleOf));
  });
});
