/** Where the rendered documents have what a control is about. */
import { METHOD_TABLE, type MethodName } from 'gradcam-webgpu';
import { h } from './dom.ts';

const METHODS_PAGE = './docs/methods.html';

/**
 * A link that opens beside the page, which would lose the visitor's own picture and files if it were left.
 *
 * @param name what it is called to those who do not see what it stands beside
 */
export function linkToDocs(text: string, name: string): HTMLAnchorElement {
  return h('a', { target: '_blank', 'aria-label': `${name}, in a new tab` }, text);
}

/** A section of the methods' page, by the words of its heading. */
export function sectionOf(heading: string): string {
  return `${METHODS_PAGE}#${slug(heading)}`;
}

/** The methods' headings are their titles and names. */
export function methodSection(method: MethodName): string {
  return sectionOf(`${METHOD_TABLE[method].title} (${method})`);
}

/** GitHub's anchor of a heading. */
function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
}
