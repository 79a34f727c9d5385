/** The demo as a visitor has it: built, served as any server would, and opened in Chromium. */
import { join } from 'node:path';
import type { Browser, Page } from 'puppeteer';
import { build } from 'vite';
import { ROOT } from '../harness/modules.ts';
import { serveFolder } from '../harness/static-server.ts';
import { launchChromium } from '../runtimes/chromium.ts';

/** Not the root of the server: the page must work under any path. */
const FOLDER = '/some/where/';
const BUILT = join(ROOT, 'build/demo');

/** A map on SwiftShader, with the pipelines compiled on the way. */
export const MAP_TIMEOUT_MS = 60_000;

export interface Demo {
  readonly browser: Browser;
  readonly address: string;
  close(): Promise<void>;
}

/** Builds and serves the demo, and starts a browser. */
export async function startDemo(): Promise<Demo> {
  await build({ configFile: join(ROOT, 'demo/vite.config.ts'), logLevel: 'error' });
  const server = await serveFolder(BUILT, { under: FOLDER });
  const browser = await launchChromium();
  return {
    browser,
    address: `${server.origin}${FOLDER.slice(1)}`,
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
}

export interface Visit {
  readonly page: Page;
  /** What the console and the browser complain about, the policy's refusals among them. */
  readonly complaints: readonly string[];
  /** Every address that was asked for. */
  readonly requests: readonly string[];
}

/** Opens the page in a tab of its own, with nothing kept from earlier visits. */
export async function visit({ browser, address }: Demo, { fragment, dark, phone }: VisitOptions = {}): Promise<Visit> {
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
  await page.goto(fragment === undefined ? address : `${address}#${fragment}`);
  return { page, complaints, requests };
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
