/** A page in Chromium with the built package, for tests that look at it from inside. */
import type { Page } from 'puppeteer';
import type * as element from '../../src/element.ts';
import type * as core from '../../src/index.ts';
import { drawScene } from '../../src/index.ts';
import { encodePng } from '../../src/node/image.ts';
import { ensureFreshBuild } from '../harness/build.ts';
import { ROOT } from '../harness/modules.ts';
import { serveFolder } from '../harness/static-server.ts';
import { launchChromium } from '../runtimes/chromium.ts';

/** What work in the page can use. */
export interface PageLibrary {
  readonly core: typeof core;
  readonly element: typeof element;
  /** The element's next event of this name. An 'error' in between rejects. */
  next(view: element.GradcamView, name: string): Promise<unknown>;
  /** Text of a part of the element. */
  partText(view: element.GradcamView, part: string): string;
}

/** The scene of most tests; Node draws the same one. */
export const SCENE_SEED = 4;
export const scene = drawScene(SCENE_SEED, { instances: 3, secondClass: true });

const PAGE = `<!doctype html>
<title>gradcam-view</title>
<script type="module">
  import * as core from '/dist/index.js';
  import * as element from '/dist/element.js';
  const next = (view, name) => new Promise((resolve, reject) => {
    view.addEventListener(name, (event) => resolve(name === 'error' ? event.error : event.detail), { once: true });
    if (name !== 'error') view.addEventListener('error', (event) => reject(event.error), { once: true });
  });
  const partText = (view, part) => view.shadowRoot.querySelector('[part="' + part + '"]').textContent;
  window.library = { core, element, next, partText };
</script>`;

export interface TestPage {
  readonly page: Page;
  /** The server's, with a slash at its end. */
  readonly origin: string;
  /** By path, what the server has besides the project's files, or in the place of one; can be changed. */
  readonly pages: Record<string, string | Uint8Array>;
  /** Paths that the page asked for and that are not there. */
  readonly missing: string[];
  /** What the page logged as errors. */
  readonly errors: string[];
  /**
   * Runs a function in the page, which sees nothing of the test but `given`, and gives what it returns as JSON.
   */
  run<Given, Result>(
    work: (library: PageLibrary, given: Given) => Promise<Result> | Result,
    given?: Given,
  ): Promise<Result>;
  close(): Promise<void>;
}

/** @param pages by path, what the server has besides the project's files */
export async function openTestPage(pages: Readonly<Record<string, string | Uint8Array>> = {}): Promise<TestPage> {
  ensureFreshBuild();
  const files = { '/page.html': PAGE, '/scene.png': await encodePng(scene), '/broken.png': 'no picture', ...pages };
  const server = await serveFolder(ROOT, { pages: files });
  const browser = await launchChromium();
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(`${server.origin}page.html`);
  await page.waitForFunction('window.library');
  return {
    page,
    origin: server.origin,
    pages: files,
    missing: server.missing,
    errors,
    run: async (work, given) => {
      // As text, because vitest rewrites what functions of this file refer to.
      const call = `(${work})(window.library, ${JSON.stringify(given)})`;
      return (await page.evaluate(call)) as never;
    },
    close: async () => {
      await browser.close();
      server.close();
    },
  };
}
