/** The bench's page in Chromium, on a network so narrow that it takes seconds. */
import { fileURLToPath } from 'node:url';
import type { Browser, ElementHandle, Page } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { servePage } from '../../bench/node/page.ts';
import { installedVersions } from '../../bench/node/versions.ts';
import { adapterName, type Report } from '../../bench/report.ts';
import { launchChromium } from '../runtimes/chromium.ts';

const TIMEOUT_MS = 240_000;

let server: Awaited<ReturnType<typeof servePage>>;
let browser: Browser;

beforeAll(async () => {
  server = await servePage();
  browser = await launchChromium();
}, TIMEOUT_MS);

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

async function open(query: string): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(`${server.resolvedUrls!.local[0]}?${query}`);
  await page.waitForFunction(() => ['done', 'failed'].includes(document.body.dataset.state ?? ''), {
    timeout: TIMEOUT_MS,
  });
  return page;
}

const textOf = (page: Page, selector: string) => page.$eval(selector, (element) => element.textContent ?? '');

/** What the download button hands out. */
async function downloaded(page: Page): Promise<Report> {
  const text = await page.$eval('#download', async (link) => (await fetch((link as HTMLAnchorElement).href)).text());
  return JSON.parse(text as string) as Report;
}

describe('the page of the bench', () => {
  it(
    'measures what its address asks for, shows it and offers it for download',
    async () => {
      const page = await open('only=roof,memory,tfjs-block5,ops.softmax,torch&quick&start&width=0.03125&inputSize=32');
      expect(await textOf(page, '#error')).toBe('');
      expect(await textOf(page, '#adapter')).toMatch(/SwiftShader.*software adapter/i);
      const targets = await textOf(page, '#targets');
      expect(targets).toMatch(
        /m1speed against tfjs.*m7memory.*m9dispatches.*m11not measured: needs the times of PyTorch/,
      );
      expect(await textOf(page, '#rows')).toContain('ops.softmax.logits');
      expect(await textOf(page, '#plot svg')).toMatch(/multiply-add [\d.]+ GFLOP\/s/);
      const report = await downloaded(page);
      expect(adapterName(report.adapter)).toMatch(/swiftshader/);
      expect(report.versions).toEqual(installedVersions());
      expect(report.rows.find(({ id }) => id === 'm1')?.value).toBeGreaterThan(0);
      expect(report.rows.every(({ value }) => Number.isFinite(value))).toBe(true);
      expect(report.skipped.map(({ id }) => id)).toEqual(['m11']);
      // Whose it is, as reports of other machines can be shown, too.
      expect(await textOf(page, '#report')).toMatch(/^Report · \d{4}-\d\d-\d\d · .*swiftshader · .*Chrome/i);
      await page.close();
    },
    TIMEOUT_MS,
  );

  it(
    'says which measure there is none of',
    async () => {
      const page = await open('only=everything&start');
      expect(await textOf(page, '#error')).toContain('there is no measure "everything"');
      await page.click('input[value=everything]');
      await page.click('#run');
      expect(await textOf(page, '#error')).toBe('Nothing is chosen: tick what to measure.');
      await page.close();
    },
    TIMEOUT_MS,
  );

  it(
    "shows the report of another machine, on a phone's screen, too",
    async () => {
      const page = await open('only=everything&start');
      await page.setViewport({ width: 375, height: 700 });
      const file = fileURLToPath(new URL('../../bench/results/2026-11-23-lavapipe.2.json', import.meta.url));
      const input = await page.$('#file');
      await (input as ElementHandle<HTMLInputElement>).uploadFile(file);
      await page.waitForSelector('#targets table');
      expect(await textOf(page, '#report')).toMatch(/2026-11-23 · mesa software llvmpipe.* · Node/);
      expect(await textOf(page, '#error')).toBe('');
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(375);
      await page.close();
    },
    TIMEOUT_MS,
  );
});
