/** The table of methods and the page that describes them. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { METHOD_TABLE } from '../src/method-table.ts';
import { METHODS, needsPooledLayer } from '../src/methods.ts';
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
  it.each(METHODS)('has a section on %s, with its equation and its source', (method) => {
    const section = sections.get(titleOf(method));
    expect(section, `a section "${titleOf(method)}"`).toBeDefined();
    expect(section).toContain(`\n    ${METHOD_TABLE[method].equation}\n`);
    expect(section).toContain(METHOD_TABLE[method].source);
    expect(section).toContain('Cost: ');
    expect(section).toMatch(/\bNot /);
  });

  it.each(METHODS)('shows a picture by %s, or says why there is none', (method) => {
    const section = sections.get(titleOf(method));
    // The pictures are the built-in model's, which does not end in a global average pooling.
    if (needsPooledLayer(METHOD_TABLE[method])) return expect(section).toContain('There is no picture');
    expect(section).toContain(`](methods/${method}.png)`);
    expect(existsSync(`${ROOT}/docs/methods/${method}.png`)).toBe(true);
  });

  it('has them in the order of the table, and no others', () => {
    const titled = [...sections.keys()].filter((title) => title.includes('`'));
    expect(titled).toEqual(METHODS.map(titleOf));
  });
});
