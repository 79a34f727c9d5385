/** The page's links to the documents: every control has one, and it leads somewhere. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { METHODS } from 'gradcam-webgpu';
import { Marked } from 'marked';
import { getHeadingList, gfmHeadingId } from 'marked-gfm-heading-id';
import { expect, it } from 'vitest';
import { CONVENTION_FIELDS, LOOK_FIELDS, METHOD_FIELDS } from '../../demo/fields.ts';
import { INITIAL_STATE } from '../../demo/state.ts';
import { ROOT } from '../harness/modules.ts';

/** As demo/rendered-docs.ts renders it. */
function anchorsOf(name: string): Set<string> {
  const marked = new Marked(gfmHeadingId());
  marked.parse(readFileSync(join(ROOT, `docs/${name}.md`), 'utf8'));
  return new Set(getHeadingList().map(({ id }) => id));
}

const anchors = anchorsOf('methods');

it.each([...METHOD_FIELDS, ...CONVENTION_FIELDS, ...LOOK_FIELDS])('$label', ({ more }) => {
  for (const method of METHODS) {
    const link = typeof more === 'string' ? more : more({ ...INITIAL_STATE, method });
    const [, document, anchor] = /^\.\/docs\/(\w+)\.html#(.+)$/.exec(link) ?? [];
    expect(document, link).toBe('methods');
    expect(anchors, link).toContain(anchor);
  }
});
