/** The demo as a visitor has it: built, served as any server would, and opened in Chromium. */
import { join } from 'node:path';
import type { Browser, Page } from 'puppeteer';
import { build } from 'vite';
import { ROOT } from '../harness/modules.ts';
import { type StaticServer, serveFolder } from '../harness/static-server.ts';
import { launchChromium } from '../runtimes/chromium.ts';

/** Not the root of the server: the page must work under any path. */
const FOLDER = '/some/where/';
const BUILT = join(ROOT, 'build/demo');

/** A map on SwiftShader, with the pipelines compiled on the way. */
export const MAP_TIMEOUT_MS = 60_000;

export interface Demo {
  readonly browser: Browser;
  readonly address: string;
  readonly server: Pick<StaticServer, 'asked' | 'interruptions'>;
  /** By path, what the server has besides the demo; can be changed. */
  readonly pages: Record<string, Uint8Array>;
  close(): Promise<void>;
}

/** Builds and serves the demo, and starts a browser. */
export async function startDemo(): Promise<Demo> {
  await build({ configFile: join(ROOT, 'demo/vite.config.ts'), logLevel: 'error' });
  const pages = {};
  const server = await serveFolder(BUILT, { pages, under: FOLDER });
  const browser = await launchChromium();
  return {
    browser,
    address: `${server.origin}${FOLDER.slice(1)}`,
    server,
    pages,
    close: async () => {
      await browser.close();
      server.close();
    },
  };
}

export interface VisitOptions {
  /** Behind the '#'. */
  readonly fragment?: string;
  readonly dark?: boolean;
  readonly phone?: boolean;
  /** Whether slowestTaskOf() is going to be asked. */
  readonly trace?: boolean;
}

export interface Visit {
  readonly page: Page;
  /** What the console and the browser complain about, the policy's refusals among them. */
  readonly complaints: readonly string[];
  /** Every address that was asked for. */
  readonly requests: readonly string[];
}

/** Opens the page in a tab of its own, with nothing kept from earlier visits. */
export async function visit(
  { browser, address }: Demo,
  { fragment, dark, phone, trace }: VisitOptions = {},
): Promise<Visit> {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('requestfailed', (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
  page.on('request', (request) => requests.push(request.url()));
  await page.setViewport(
    phone
      ? { width: 390, height: 844, deviceScaleFactor: 2, isMobile: true, hasTouch: true }
      : { width: 1440, height: 1000 },
  );
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }]);
  await page.evaluateOnNewDocument(noteWhatMovesAndIsSaid);
  if (trace) await page.tracing.start({ categories: ['-*', 'toplevel'] });
  await page.goto(fragment === undefined ? address : `${address}#${fragment}`);
  return { page, complaints, requests };
}

/** What a visitor notices without looking for it. */
export interface Noticed {
  /** Elements that moved without having been asked to. */
  readonly moved: string[];
  /** What a screen reader was given to say, in order. */
  readonly said: string[];
}

/** Runs in the page, before its own scripts. */
function noteWhatMovesAndIsSaid(): void {
  const noticed: Noticed = { moved: [], said: [] };
  Object.assign(globalThis, { noticed });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { hadRecentInput, sources } = entry as PerformanceEntry & {
        hadRecentInput: boolean;
        sources: { node?: Element }[];
      };
      if (!hadRecentInput) noticed.moved.push(...sources.map(({ node }) => `${node?.nodeName} #${node?.id}`));
    }
  }).observe({ type: 'layout-shift', buffered: true });
  const listen = (root: ParentNode & Node) => {
    const told = new WeakMap<Element, string>();
    const tell = () => {
      for (const region of root.querySelectorAll<HTMLElement>('[aria-live], [role=status], [role=alert]')) {
        const text = region.hidden ? '' : (region.textContent?.trim() ?? '');
        if (text !== (told.get(region) ?? '') && text !== '') noticed.said.push(text);
        told.set(region, text);
      }
    };
    // What is there from the beginning is not announced.
    for (const region of root.querySelectorAll('[role=status]')) told.set(region, region.textContent?.trim() ?? '');
    new MutationObserver(tell).observe(root, {
      subtree: true,
      childList: true,
      characterData: true,
      attributes: true,
      attributeFilter: ['hidden'],
    });
  };
  addEventListener('DOMContentLoaded', () => {
    listen(document);
    for (const view of document.querySelectorAll('gradcam-view')) listen(view.shadowRoot!);
  });
}

export function noticedBy(page: Page): Promise<Noticed> {
  return page.evaluate(() => (globalThis as unknown as { noticed: Noticed }).noticed);
}

/**
 * The most processor time that a task of the page's own thread took since it was opened, in milliseconds; on a processor that
 * is the GPU as well, the time on the clock says more of the others' work.
 */
export async function slowestTaskOf(page: Page): Promise<number> {
  const trace = await page.tracing.stop();
  const { traceEvents } = JSON.parse(Buffer.from(trace!).toString()) as { traceEvents: TraceEvent[] };
  const threads = traceEvents.filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain');
  const tasks = traceEvents.filter(
    ({ ph, pid, tid }) => ph === 'X' && threads.some((t) => t.pid === pid && t.tid === tid),
  );
  return tasks.reduce((most, { tdur = 0 }) => Math.max(most, tdur), 0) / 1000;
}

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** Of the thread, in microseconds. */
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

/** Waits until all that is asked for is explained. */
export async function settled(page: Page): Promise<void> {
  await page.waitForFunction(() => document.body.dataset.state === 'settled', { timeout: MAP_TIMEOUT_MS });
}

/** What a pane shows: the numbers of its result, and the map that is drawn, of all or of a choice. */
export interface ShownMap {
  readonly method: string;
  readonly layerName: string;
  readonly classIndex: number;
  readonly nSamples: number;
  readonly outcome: string;
  readonly label: string | undefined;
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** Of the pane's result, which is read from its numbers: a canvas may be blank in a headless browser. */
export function shownMap(page: Page, pane = 0): Promise<ShownMap> {
  return page.evaluate((index) => {
    const view = document.querySelectorAll('gradcam-view')[index]!;
    const { options, classIndex, outcome, predictions, map } = view.result!;
    return {
      method: String(options.method),
      layerName: String(options.layerName),
      classIndex,
      nSamples: options.nSamples,
      outcome,
      label: predictions.find((prediction) => prediction.classIndex === classIndex)?.label,
      shape: [...map.shape],
      data: [...map.data],
    };
  }, pane);
}
