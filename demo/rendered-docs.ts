/** The project's documents as pages beside the demo: docs/NAME.md becomes docs/NAME.html. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Marked } from 'marked';
import { gfmHeadingId } from 'marked-gfm-heading-id';
import type { Plugin } from 'vite';

/** Where they lie, in the build and on the development server. */
const FOLDER = 'docs';

/** @param folder with the Markdown files, and folders of the pictures in them */
export function renderedDocs(folder: string): Plugin {
  const pictures = () =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.png'));
  const documents = () => readdirSync(folder).filter((file) => file.endsWith('.md'));
  const style = () => readFileSync(join(import.meta.dirname, 'styles/docs.css'), 'utf8');
  return {
    name: 'rendered-docs',
    generateBundle() {
      const emit = (name: string, source: string | Uint8Array) =>
        this.emitFile({ type: 'asset', fileName: `${FOLDER}/${name}`, source });
      for (const file of documents()) emit(file.replace(/\.md$/, '.html'), render(join(folder, file)));
      for (const file of pictures()) emit(file, readFileSync(join(folder, file)));
      emit('docs.css', style());
    },
    configureServer({ middlewares }) {
      middlewares.use(`/${FOLDER}/`, (request, response, next) => {
        const name = decodeURIComponent((request.url ?? '').replace(/^\/|[?#].*$/g, ''));
        if (name === 'docs.css') {
          response.setHeader('content-type', 'text/css').end(style());
        } else if (documents().includes(name.replace(/\.html$/, '.md'))) {
          response.setHeader('content-type', 'text/html').end(render(join(folder, name.replace(/\.html$/, '.md'))));
        } else if (pictures().includes(name)) {
          response.setHeader('content-type', 'image/png').end(readFileSync(join(folder, name)));
        } else {
          next();
        }
      });
    },
  };
}

function render(file: string): string {
  const marked = new Marked(gfmHeadingId(), {
    renderer: {
      link({ href, tokens }) {
        const text = this.parser.parseInline(tokens);
        const target = href.replace(/^([\w-]+)\.md(?=#|$)/, '$1.html');
        // What else of the repository the documents point to is not here.
        return target.startsWith('..') ? text : `<a href="${target}">${text}</a>`;
      },
    },
  });
  const markdown = readFileSync(file, 'utf8');
  const title = /^# (.+)$/m.exec(markdown)?.[1] ?? 'gradcam-webgpu';
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'self'; img-src 'self'" />
    <meta name="color-scheme" content="light dark" />
    <title>${title} – gradcam-webgpu</title>
    <link rel="stylesheet" href="./docs.css" />
  </head>
  <body>
    <nav><a href="../index.html">Back to the page</a></nav>
    <main>${marked.parse(markdown)}</main>
  </body>
</html>
`;
}
