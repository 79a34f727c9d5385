/** Where the rendered documents have what a control is about. */
import { METHOD_TABLE, type MethodName } from 'gradcam-webgpu';

const METHODS_PAGE = './docs/methods.html';

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
