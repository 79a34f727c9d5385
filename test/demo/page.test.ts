/** The demo in Chromium: what it shows, what it asks for, and whether everybody can use it. */
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { AxeResults } from 'axe-core';
import type { Page } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../harness/modules.ts';
import {
  type Demo,
  MAP_TIMEOUT_MS,
  noticedBy,
  settled,
  shownMap,
  slowestTaskOf,
  startDemo,
  type Visit,
  visit,
} from './visit.ts';

const SCREENS = join(ROOT, 'build/screens');
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TIMEOUT_MS = 3 * MAP_TIMEOUT_MS;

let demo: Demo;

beforeAll(async () => {
  mkdirSync(SCREENS, { recursive: true });
  demo = await startDemo();
}, TIMEOUT_MS);

afterAll(() => demo?.close());

/** What axe finds, as text: rule and elements. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const results = (await page.evaluate('axe.run(document, { resultTypes: ["violations"] })')) as AxeResults;
  return results.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
  );
}

const screenshot = (page: Page, name: string) =>
  page.screenshot({ path: join(SCREENS, `${name}.png`), fullPage: true });

const largest = (values: readonly number[]) => values.reduce((most, value) => Math.max(most, value), 0);

describe('on a first visit', () => {
  let first: Visit;

  beforeAll(async () => {
    first = await visit(demo, { trace: true });
    await settled(first.page);
    await first.page.waitForSelector('.thumbnail');
  }, TIMEOUT_MS);

  afterAll(() => first?.page.browserContext().close());

  it('the page explains its first scene', async () => {
    const map = await shownMap(first.page);
    expect(map).toMatchObject({ method: 'smooth-grad-cam++', layerName: 'block5_conv3', label: 'tree', outcome: 'ok' });
    expect(map.shape).toEqual([1, 14, 14]);
    expect(largest(map.data)).toBeGreaterThan(0);
  });

  it('moves nothing meanwhile, and says what it shows once', async () => {
    const { moved, said } = await noticedBy(first.page);
    expect(moved).toEqual([]);
    const caption = 'Why “tree” (97 %): Smooth Grad-CAM++ at block5_conv3, 4 samples';
    expect(said.at(-1)).toBe(caption);
    expect(said.filter((text) => text === caption)).toHaveLength(1);
    // Where it takes a second and longer, what is under way, and not each of its steps.
    expect(said.length).toBeLessThanOrEqual(3);
    await screenshot(first.page, 'desktop-light');
  });

  it('complains of nothing and asks no other server', () => {
    expect(first.complaints).toEqual([]);
    const own = first.requests.filter((request) => request.startsWith(demo.address));
    expect(own.length).toBeGreaterThan(4);
    expect(
      first.requests.filter((request) => !request.startsWith(demo.address) && !/^(blob|data):/.test(request)),
    ).toEqual([]);
  });

  it('answers a box of neurons without another explanation', async () => {
    const { page } = first;
    await page.click('#pick-cells');
    await page.evaluate(() => {
      const view = document.querySelector('gradcam-view')!;
      const seen = { results: 0, maps: [] as number[][] };
      Object.assign(globalThis, { seen });
      view.addEventListener('result', () => seen.results++);
      view.addEventListener('combine', ({ detail }) => seen.maps.push([...detail.map.data]));
    });
    const grid = (await (await page.$('#neuron-grid'))!.boundingBox())!;
    const at = (row: number, column: number) =>
      [grid.x + ((column + 0.5) / 14) * grid.width, grid.y + ((row + 0.5) / 14) * grid.height] as const;
    await page.mouse.move(...at(3, 2));
    await page.mouse.down();
    await page.mouse.move(...at(8, 6), { steps: 4 });
    await page.mouse.up();
    await page.waitForFunction(() => document.querySelector('#selection-text')?.textContent?.includes('6 × 5 neurons'));
    const whole = (await shownMap(page)).data;
    const expected = whole.map((value, cell) => {
      const [row, column] = [Math.floor(cell / 14), cell % 14];
      return row >= 3 && row <= 8 && column >= 2 && column <= 6 ? value : 0;
    });
    const seen = () =>
      page.evaluate(() => (globalThis as unknown as { seen: { results: number; maps: number[][] } }).seen);
    await expect.poll(async () => (await seen()).maps.at(-1)).toEqual(expected);
    expect((await seen()).results).toBe(0);
    await expect.poll(() => page.evaluate(() => location.hash)).toBe('#cells=3%2C2-8%2C6');
    await page.click('#clear-selection');
    await expect.poll(async () => (await seen()).maps.at(-1)).toEqual(whole);
  });

  it(
    'is led through the layers by the keyboard',
    async () => {
      const { page } = first;
      await page.$eval('#network [aria-checked="true"]', (layer) => (layer as SVGGElement).focus());
      await page.keyboard.press('ArrowLeft');
      await settled(page);
      expect((await shownMap(page)).layerName).toBe('block5_conv2');
    },
    TIMEOUT_MS,
  );

  it('has its feature maps chosen by the keyboard', async () => {
    const { page } = first;
    await page.waitForSelector('#contact-sheet[aria-busy=false]');
    const focused = () => page.evaluate(() => (document.activeElement as HTMLElement).dataset.filter);
    const filters = await page.$$eval('.thumbnail', (items) =>
      items.map((item) => (item as HTMLElement).dataset.filter),
    );
    await page.focus('#copy-link');
    await page.keyboard.press('Tab');
    expect(await focused()).toBe(filters[0]);
    await page.keyboard.press('ArrowRight');
    expect(await focused()).toBe(filters[1]);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowUp');
    expect(await focused()).toBe(filters[1]);
    await page.keyboard.press('Space');
    await page.keyboard.press('End');
    expect(await focused()).toBe(filters.at(-1));
    await page.keyboard.press('Enter');
    const chosen = await page.$$eval('.thumbnail[aria-selected=true]', (items) =>
      items.map((item) => (item as HTMLElement).dataset.filter),
    );
    expect(chosen).toEqual([filters[1], filters.at(-1)]);
    // The whole sheet is one stop.
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('more-features');
    await page.screenshot({ path: join(SCREENS, 'contact-sheet-light.png') });
    await page.click('#clear-selection');
  });

  it('held up no frame', async () => {
    const slowest = await slowestTaskOf(first.page);
    expect(slowest).toBeGreaterThan(1);
    expect(slowest).toBeLessThan(50);
  });

  it('can be used by everybody, as far as axe can tell', async () => {
    expect(await violations(first.page)).toEqual([]);
  });

  it(
    'leaves out of a link what the network does not have, and finds two classes for one that names none',
    async () => {
      const { page } = first;
      await page.evaluate(() => {
        document.body.dataset.state = 'changing';
        location.hash = '#method=cam&layer=nope&class=999&cells=27,27&samples=0&view=classes';
      });
      await settled(page);
      expect(await page.$eval('#notice', (notice) => notice.textContent)).toMatch(
        /^Not in this network: method=cam, class=999, layer=nope, cells=27,27\. What is usual/,
      );
      await page.screenshot({ path: join(SCREENS, 'notice-light.png') });
      const [one, other] = [await shownMap(page, 0), await shownMap(page, 1)];
      expect(one).toMatchObject({
        method: 'smooth-grad-cam++',
        layerName: 'block5_conv3',
        label: 'tree',
        outcome: 'ok',
      });
      expect(other.classIndex).not.toBe(one.classIndex);
      expect(other.label).toBeDefined();
    },
    TIMEOUT_MS,
  );

  it('lists a class that is chosen, also where it is improbable', async () => {
    const { page } = first;
    const listed = () =>
      page.$$eval('#predictions .class', (buttons) =>
        buttons.map(
          (button) => `${button.querySelector('.label')?.textContent} ${button.getAttribute('aria-pressed')}`,
        ),
      );
    expect(await listed()).toHaveLength(5);
    const improbable = await page.evaluate(() => {
      const labels = [...document.querySelectorAll('#predictions .label')].map((label) => label.textContent);
      const names = [...document.querySelectorAll<HTMLOptionElement>('#class-names option')];
      return names.map(({ value }) => value).find((name) => !labels.includes(name))!;
    });
    await page.type('#class', `${improbable}\n`);
    await expect.poll(listed).toHaveLength(6);
    expect((await listed()).at(-1)).toBe(`${improbable} true`);
    expect(await page.$eval('#predictions li:last-child .compare', (button) => button.textContent)).toBe(
      `vs ${improbable}`,
    );
  });

  it('runs no script but its own', async () => {
    const ran = await first.page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'document.title = "foreign"';
      document.head.append(script);
      return document.title === 'foreign';
    });
    expect(ran).toBe(false);
    expect(first.complaints.join()).toContain('Content Security Policy');
  });
});

it(
  'shows what a link says, in the dark',
  async () => {
    const fragment =
      'picture=scene-32&method=grad-cam%2B%2B&class=4&other=8&samples=0&view=classes&color-map=viridis&boxes=1';
    const { page, complaints } = await visit(demo, { fragment, dark: true });
    await settled(page);
    expect(await shownMap(page, 0)).toMatchObject({ method: 'grad-cam++', label: 'crescent', outcome: 'ok' });
    expect(await shownMap(page, 1)).toMatchObject({ method: 'grad-cam++', label: 'house', outcome: 'ok' });
    expect(new URL(page.url()).hash).toBe(`#${fragment}`);
    expect(await page.$eval('#field-method', (select) => (select as HTMLSelectElement).value)).toBe('grad-cam++');
    expect((await page.$$('gradcam-view rect.line')).length).toBeGreaterThan(1);
    await page.click('#conventions summary');
    await page.click('#field-method ~ .about-button, .about-button');
    expect(await violations(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await screenshot(page, 'desktop-dark');
    await page.setViewport({ width: 820, height: 500 });
    const map = (await (await page.$('gradcam-view >>> [part=stage]'))!.boundingBox())!;
    // Half of it is seen without scrolling, also where three are side by side.
    expect(map.y + map.height / 2).toBeLessThan(500);
    await page.screenshot({ path: join(SCREENS, 'low-dark.png') });
    await page.browserContext().close();
  },
  TIMEOUT_MS,
);

it(
  'fits a phone, and a growing map can be stopped',
  async () => {
    const { page, complaints } = await visit(demo, { fragment: 'samples=10', phone: true });
    await page.waitForFunction(() => /^\d+ of 10/.test(document.querySelector('#progress-text')?.textContent ?? ''), {
      timeout: MAP_TIMEOUT_MS,
    });
    await page.tap('#stop');
    await settled(page);
    const words = await page.$eval('#picture-text', (text) => text.textContent);
    expect(words, 'nothing can be dropped').toBe('Your picture stays on this device.');
    const { nSamples, data } = await shownMap(page);
    expect(nSamples).toBeGreaterThan(0);
    expect(nSamples).toBeLessThan(10);
    expect(largest(data)).toBeGreaterThan(0);
    await page.select('#field-method', 'score-cam');
    await page.waitForFunction(() => document.querySelector('#progress-text')?.textContent === 'Explaining …');
    await page.waitForSelector('#stop[aria-disabled=false]');
    await page.tap('#stop');
    await settled(page);
    expect(await page.$eval('#progress-text', (text) => text.textContent)).toBe(
      'Stopped; still shown: Smooth Grad-CAM++ at block5_conv3 for tree.',
    );
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
    const widths = await page.$$eval('#network [role="radio"] .target', (targets) =>
      targets.map((target) => target.getBoundingClientRect().width),
    );
    expect(Math.min(...widths)).toBeGreaterThanOrEqual(23.9);
    const chosen = (await (await page.$('#network [aria-checked="true"]'))!.boundingBox())!;
    expect(chosen.x + chosen.width).toBeLessThanOrEqual(390);
    expect(await violations(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await screenshot(page, 'phone-light');
    await page.browserContext().close();
  },
  TIMEOUT_MS,
);
