/** The demo where it is hard: files of the visitor's own, what can break, and Node's word for what it shows. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'puppeteer';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseNpy } from '../../src/image/npy.ts';
import { drawScene, type ExplainOptions, explain, type Model, SCENE_CLASSES } from '../../src/index.ts';
import { convertWeights } from '../../src/node/convert-weights.ts';
import { nodeStore } from '../../src/node/files.ts';
import { encodePng } from '../../src/node/image.ts';
import { loadModel } from '../../src/node/load-model.ts';
import { openWeights } from '../../src/weights/source.ts';
import { runMain } from '../cli/run-main.ts';
import { testGpu } from '../harness/gpu.ts';
import { ROOT } from '../harness/modules.ts';
import { launchChromium } from '../runtimes/chromium.ts';
import { type Demo, MAP_TIMEOUT_MS, settled, shownMap, startDemo, type Visit, visit } from './visit.ts';

const SCREENS = join(ROOT, 'build/screens');
const TIMEOUT_MS = 3 * MAP_TIMEOUT_MS;
/** Explanations in a row; 200 take minutes on a processor. */
const EXPLANATIONS = process.env.GRADCAM_TEST_LONG ? 200 : 12;

/** Not of the network's size, so that it is resized; what is in it is in none of the page's own scenes. */
const SCENE = drawScene(2, { size: 300 });

let demo: Demo;
let folder: string;
let model: Model;

beforeAll(async () => {
  mkdirSync(SCREENS, { recursive: true });
  folder = mkdtempSync(join(tmpdir(), 'gradcam-demo-'));
  writeFileSync(join(folder, 'mine.png'), await encodePng(SCENE));
  demo = await startDemo();
  model = await loadModel(await testGpu(), 'vgg16-scenes');
}, TIMEOUT_MS);

afterAll(async () => {
  await demo?.close();
  model?.dispose();
  rmSync(folder, { recursive: true });
});

const screenshot = (page: Page, name: string) =>
  page.screenshot({ path: join(SCREENS, `${name}.png`), fullPage: true });

/** Drops files on the page, as a visitor does. */
async function drop(
  page: Page,
  files: readonly { readonly name: string; readonly bytes: Uint8Array }[],
): Promise<void> {
  const sent = files.map(({ name, bytes }) => ({ name, text: Buffer.from(bytes).toString('base64') }));
  await page.evaluate((sent) => {
    const transfer = new DataTransfer();
    for (const { name, text } of sent) {
      const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
      const type = name.endsWith('.png') ? 'image/png' : name.endsWith('.jpg') ? 'image/jpeg' : '';
      transfer.items.add(new File([bytes], name, { type }));
    }
    for (const event of ['dragover', 'drop']) {
      document.body.dispatchEvent(new DragEvent(event, { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }
  }, sent);
}

/** Waits until what a change of the state asked for is there. */
async function afterwards(page: Page, change: () => Promise<unknown>): Promise<void> {
  await page.evaluate(() => {
    document.body.dataset.state = 'changing';
  });
  await change();
  await settled(page);
}

const noticeOf = (page: Page) => page.$eval('#notice', (notice) => notice.textContent ?? '');

/** The options in force of the result on the page, as explain() takes them. */
function optionsOf(page: Page): Promise<ExplainOptions> {
  return page.evaluate(() => ({ ...document.querySelector('gradcam-view')!.result!.options }) as never);
}

/** Largest difference as a share of the largest value. */
function difference(one: ArrayLike<number>, other: ArrayLike<number>): number {
  expect(one.length).toBe(other.length);
  const largest = Math.max(...Array.from(one));
  expect(largest).toBeGreaterThan(0);
  return Math.max(...Array.from(one, (value, i) => Math.abs(value - other[i]!))) / largest;
}

describe('a picture of the visitor’s own', () => {
  let own: Visit;
  beforeAll(async () => {
    own = await visit(demo, { fragment: 'method=grad-cam%2B%2B' });
    await settled(own.page);
    await afterwards(own.page, async () =>
      drop(own.page, [{ name: 'mine.png', bytes: readFileSync(join(folder, 'mine.png')) }]),
    );
  }, TIMEOUT_MS);
  afterAll(() => own?.page.browserContext().close());

  it('has the class and the map that Node finds', async () => {
    const shown = await shownMap(own.page);
    expect(shown.label).toBe(SCENE_CLASSES[SCENE.classIndex]);
    // The class of the scene before is not listed beyond those of this one.
    expect(await own.page.$$('#predictions li')).toHaveLength(5);
    const expected = await explain(model, SCENE, await optionsOf(own.page));
    expect(expected.classIndex).toBe(shown.classIndex);
    expect(difference(expected.map.data, shown.data)).toBeLessThan(1e-5);
    await screenshot(own.page, 'own-picture');
  });

  it('can be taken along, and made again by Node', async () => {
    const { page } = own;
    const client = await page.createCDPSession();
    await client.send('Browser.setDownloadBehavior', {
      behavior: 'allow',
      downloadPath: folder,
      browserContextId: page.browserContext().id,
    });
    for (const ending of ['png', 'npy', 'json']) {
      await page.click(`#save-${ending}`);
      await expect.poll(() => readdirSync(folder), { timeout: 20_000 }).toContain(`mine.grad-cam++.${ending}`);
    }
    const { data } = await shownMap(page);
    const { bytes } = parseNpy(readFileSync(join(folder, 'mine.grad-cam++.npy')), 'mine.grad-cam++.npy');
    expect([...new Float32Array(Uint8Array.from(bytes).buffer)]).toEqual(data);
    const replayed = await runMain(['replay', join(folder, 'mine.grad-cam++.png'), '--json', '--weights', BUILT_IN]);
    expect(replayed.code, replayed.stderr).toBe(0);
    expect(JSON.parse(replayed.stdout).verdict).toMatch(/^(same|equal)/);
  });

  it('shows the sum of the feature maps that are chosen', async () => {
    const { page } = own;
    await page.waitForSelector('.thumbnail');
    const filters = await page.$$eval('.thumbnail', (buttons) =>
      buttons.slice(1, 3).map((button) => Number((button as HTMLElement).dataset.filter)),
    );
    await page.evaluate(() => {
      document.querySelector('gradcam-view')!.addEventListener('combine', ({ detail }) => {
        Object.assign(globalThis, { combined: [...detail.map.data] });
      });
    });
    for (const filter of filters) await page.click(`.thumbnail[data-filter="${filter}"]`);
    const result = await explain(model, SCENE, await optionsOf(page));
    const expected = (await result.combine({ filters, combineFilters: 'sum' })).map.data;
    const shown = () => page.evaluate(() => (globalThis as unknown as { combined?: number[] }).combined ?? []);
    await expect.poll(async () => difference(expected, await shown())).toBeLessThan(1e-5);
    const linked = () => page.evaluate(() => new URLSearchParams(location.hash.slice(1)).get('filters'));
    await expect.poll(linked).toBe(filters.join(','));
    await page.click('#clear-selection');
  });

  it('is compared for two classes, side by side', async () => {
    const { page } = own;
    const first = await shownMap(page);
    await afterwards(page, () => page.click('#predictions li:nth-child(2) .compare'));
    const panes = await page.$$eval('gradcam-view', (views) => views.map((view) => view.result?.classIndex));
    expect(panes.slice(0, 2)).toEqual([first.classIndex, (await shownMap(page, 1)).classIndex]);
    expect(new Set(panes.slice(0, 2)).size).toBe(2);
    expect((await shownMap(page, 0)).data).toEqual(first.data);
    const caption = await page.$$eval(
      'gradcam-view',
      (views) => views[2]?.shadowRoot?.querySelector('figcaption')?.textContent,
    );
    expect(caption).toMatch(/^Why “[a-z]+” \([\d.]+ %\) rather than “[a-z]+” \([\d.]+ %\): Grad-CAM\+\+ at/);
    await screenshot(page, 'two-classes');
    await afterwards(page, () => page.click('#predictions li:nth-child(2) .compare'));
  });

  it(
    'is explained on, where the GPU is lost on the way',
    async () => {
      const { page } = own;
      const before = await shownMap(page);
      for (const worker of page.workers()) {
        await worker.evaluate(() => {
          const { createCommandEncoder } = GPUDevice.prototype;
          GPUDevice.prototype.createCommandEncoder = function (descriptor) {
            GPUDevice.prototype.createCommandEncoder = createCommandEncoder;
            this.destroy();
            return createCommandEncoder.call(this, descriptor);
          };
        });
      }
      await afterwards(page, () => page.select('#field-method', 'grad-cam'));
      expect(await shownMap(page)).toMatchObject({ method: 'grad-cam', outcome: 'ok', label: before.label });
      await afterwards(page, () => page.select('#field-method', 'grad-cam++'));
      expect((await shownMap(page)).data).toEqual(before.data);
      expect(await page.$eval('#notice', (notice) => (notice as HTMLElement).hidden)).toBe(true);
    },
    TIMEOUT_MS,
  );

  it(
    `takes no more memory after ${EXPLANATIONS} explanations`,
    async () => {
      const { page } = own;
      const client = await page.createCDPSession();
      const measure = async () => {
        await client.send('HeapProfiler.collectGarbage');
        const { JSHeapUsedSize } = await page.metrics();
        const engine = await page.evaluate(() => document.querySelector('gradcam-view')!.engine.memory());
        return { heap: JSHeapUsedSize!, engine };
      };
      const explainTimes = (count: number) =>
        page.evaluate(async (count) => {
          const view = document.querySelector('gradcam-view')!;
          for (let i = 0; i < count; i++) {
            view.options = { method: 'grad-cam++', classIndex: i % 12 };
            await view.explain();
          }
        }, count);
      // The page fills its contact sheet behind the map, and takes memory for it meanwhile.
      await page.$eval('#contact-sheet', (sheet) => sheet.replaceChildren());
      await afterwards(page, () => page.select('#field-method', 'grad-cam'));
      await page.waitForSelector('.thumbnail');
      await explainTimes(3);
      const before = await measure();
      await explainTimes(EXPLANATIONS);
      const after = await measure();
      expect(after.engine).toEqual(before.engine);
      expect(after.heap - before.heap).toBeLessThan(4e6);
    },
    10 * TIMEOUT_MS,
  );

  it(
    'comes in as a file, from the clipboard and from the camera, and goes for a drawn one',
    async () => {
      const { page } = own;
      const pictureText = () => page.$eval('#picture-text', (text) => text.textContent);
      const file = await page.$('input#picture-file');
      await afterwards(page, () => file!.uploadFile(join(folder, 'mine.png')));
      expect(await pictureText()).toBe('Your picture, mine.png. It stays on this device.');

      const paste = (base64: string | undefined) =>
        page.evaluate((text) => {
          const clipboardData = new DataTransfer();
          if (text === undefined) clipboardData.setData('text/plain', 'no picture');
          else {
            const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
            clipboardData.items.add(new File([bytes], 'image.png', { type: 'image/png' }));
          }
          document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }));
        }, base64);
      await paste(undefined);
      expect(await noticeOf(page)).toMatch(/^There is no picture in the clipboard\./);
      await afterwards(page, () => paste(readFileSync(join(folder, 'mine.png'), 'base64')));
      expect(await pictureText()).toContain('pasted picture');
      expect(await page.$eval('#notice', (notice) => (notice as HTMLElement).hidden)).toBe(true);

      await page.evaluate(() => {
        navigator.mediaDevices.getUserMedia = async () => {
          throw new DOMException('refused', 'NotAllowedError');
        };
      });
      await page.click('#open-camera');
      const cameraText = () => page.$eval('#camera-text', (text) => text.textContent);
      await expect.poll(cameraText).toMatch(/^The browser was not allowed to use the camera/);
      await page.keyboard.press('Escape');
      await page.evaluate(() => {
        const seen = document.createElement('canvas');
        const context = seen.getContext('2d')!;
        navigator.mediaDevices.getUserMedia = async () => {
          // A canvas hands out a frame for what is drawn while somebody looks.
          setInterval(() => context.fillRect(Math.random() * seen.width, 0, 9, seen.height), 50);
          return seen.captureStream();
        };
      });
      await page.click('#open-camera');
      await page.waitForSelector('#take-picture:not(:disabled)');
      await afterwards(page, () => page.click('#take-picture'));
      expect(await pictureText()).toContain('Your picture, camera.');

      await afterwards(page, () => page.click('#new-scene'));
      expect(await pictureText()).toMatch(/^Or drop one anywhere/);
      await expect.poll(() => page.evaluate(() => location.hash)).toMatch(/picture=scene-\d+/);
      await afterwards(page, () => page.click('#samples li:nth-child(3) button'));
      expect(await page.$eval('#samples li:nth-child(3) button', (button) => button.ariaPressed)).toBe('true');
      expect((await shownMap(page)).label).toBe('key');
    },
    TIMEOUT_MS,
  );

  it('went nowhere, and nothing was complained of', () => {
    expect(own.complaints).toEqual([]);
    expect(
      own.requests.filter((request) => !request.startsWith(demo.address) && !/^(blob|data):/.test(request)),
    ).toEqual([]);
  });
});

const BUILT_IN = join(ROOT, 'models/vgg16-scenes.safetensors');

describe('one visit after the other', () => {
  const fragment = 'picture=scene-13&method=grad-cam&layer=block4_conv3&filters=3%2C7&color-map=viridis&opacity=0.4';
  let guest: Visit;
  beforeAll(async () => {
    guest = await visit(demo, { fragment });
    await settled(guest.page);
  }, TIMEOUT_MS);
  afterAll(() => guest?.page.browserContext().close());

  it(
    'is there again after a reload',
    async () => {
      const { page } = guest;
      const before = await shownMap(page);
      expect(before).toMatchObject({ method: 'grad-cam', layerName: 'block4_conv3', label: 'key' });
      await page.reload();
      await settled(page);
      expect(await shownMap(page)).toEqual(before);
      expect(new URL(page.url()).hash).toBe(`#${fragment}`);
    },
    TIMEOUT_MS,
  );

  it(
    'refuses what is no picture, and shows a tall one whole',
    async () => {
      const { page } = guest;
      await drop(page, [{ name: 'note.png', bytes: Buffer.from('no picture') }]);
      await expect.poll(() => noticeOf(page)).toMatch(/This is no picture that the page can read/);
      const bytes = await sharp({ create: { width: 100, height: 300, channels: 3, background: 'teal' } })
        .png()
        .toBuffer();
      await afterwards(page, () => drop(page, [{ name: 'tall.png', bytes }]));
      expect(await page.$eval('#notice', (notice) => (notice as HTMLElement).hidden)).toBe(true);
      const { width, height } = (await (await page.$('gradcam-view >>> [part=stage]'))!.boundingBox())!;
      expect(height / width).toBeCloseTo(3, 1);
      expect(height).toBeLessThan(await page.evaluate(() => innerHeight));
    },
    TIMEOUT_MS,
  );

  it('offers the methods that the network takes', async () => {
    const disabled = await guest.page.$$eval('#field-method option:disabled', (options) =>
      options.map((option) => (option as HTMLOptionElement).value),
    );
    expect(disabled).toEqual(['cam']);
  });

  it(
    'takes a picture of 50 megapixels',
    async () => {
      const { page } = guest;
      const { data, width: size } = drawScene(15, { size: 448 });
      const bytes = await sharp(Buffer.from(data.buffer), { raw: { width: size, height: size, channels: 4 } })
        .resize(8660, 5774, { fit: 'fill' })
        .jpeg()
        .toBuffer();
      await afterwards(page, async () => {
        await drop(page, [{ name: 'large.jpg', bytes }]);
        // Of what the page does with it: tasks of the page's thread that hold up a frame.
        await page.evaluate(() => {
          const tasks: number[] = [];
          Object.assign(globalThis, { tasks });
          const note = (list: PerformanceObserverEntryList) => tasks.push(...list.getEntries().map((e) => e.duration));
          new PerformanceObserver(note).observe({ entryTypes: ['longtask'] });
        });
      });
      expect(await shownMap(page)).toMatchObject({ label: 'tree', outcome: 'ok' });
      const tasks = await page.evaluate(() => (globalThis as unknown as { tasks: number[] }).tasks);
      // The aim is none above 50 ms; on a processor that is the GPU as well, and busy, they stretch.
      expect(Math.max(0, ...tasks)).toBeLessThan(250);
      await screenshot(page, 'large-picture');
    },
    TIMEOUT_MS,
  );

  it(
    'refuses broken weights in words, and goes on',
    async () => {
      const { page } = guest;
      const bytes = readFileSync(BUILT_IN);
      await drop(page, [{ name: 'half.safetensors', bytes: bytes.subarray(0, bytes.length / 2) }]);
      await expect.poll(() => noticeOf(page), { timeout: 20_000 }).toMatch(/These weights cannot be used\./);
      expect(await noticeOf(page)).toMatch(
        /half\.safetensors: the file is truncated; tensor .*expected 1303064 bytes; found 651532 bytes/,
      );
      await expect
        .poll(() => page.$eval('#progress-text', (text) => text.textContent))
        .toBe('This model is not loaded yet: load its weights under Model.');
      await page.click('#notice summary');
      await screenshot(page, 'broken-weights');
      const bottom = () => page.$eval('#notice', (notice) => notice.getBoundingClientRect().bottom);
      const selectTop = () => page.$eval('#model', (select) => select.getBoundingClientRect().top);
      const desktop = page.viewport();
      // It has a place of its own, and covers nothing.
      for (const width of [1440, 390]) {
        await page.setViewport({ width, height: 844 });
        await page.evaluate(() => scrollTo(0, 0));
        expect(await bottom()).toBeLessThan(await selectTop());
      }
      await page.screenshot({ path: join(SCREENS, 'broken-weights-phone.png') });
      await page.setViewport(desktop);
      await afterwards(page, () => page.select('#model', 'vgg16-scenes'));
      expect(await shownMap(page)).toMatchObject({ label: 'tree', outcome: 'ok' });
      expect(await page.$eval('#notice', (notice) => (notice as HTMLElement).hidden)).toBe(true);
    },
    TIMEOUT_MS,
  );

  it(
    'takes weights by their address, keeps them, and lets go of them',
    async () => {
      const { page } = guest;
      const before = await shownMap(page);
      await page.select('#model', 'vgg16');
      const progressText = () => page.$eval('#progress-text', (text) => text.textContent);
      await expect.poll(progressText).toBe('This model is not loaded yet: load its weights under Model.');
      await page.screenshot({ path: join(SCREENS, 'weights-wanted.png') });
      const own = readdirSync(join(ROOT, 'build/demo/assets')).find((name) => name.endsWith('.safetensors'))!;
      const load = async (address: string) => {
        await page.click('#weights-url', { count: 3 });
        await page.type('#weights-url', address);
        await page.click('#load-weights');
      };
      // The policy would refuse it with fewer words.
      await load('http://example.org/model.json');
      const refusal = () => page.$eval('#weights-url', (input) => (input as HTMLInputElement).validationMessage);
      expect(await refusal()).toMatch(/^An address that begins with https/);
      await afterwards(page, () => load(`${demo.address}assets/${own}`));
      expect((await shownMap(page)).data).toEqual(before.data);
      const kept = () => page.$eval('#cache-text', (text) => text.textContent);
      await expect.poll(kept).toMatch(/^Kept in this browser: \d files?, \d\.\d MB\.$/);
      await page.click('#empty-cache');
      await expect.poll(kept).toBe('');
      expect(await page.evaluate(async () => (await caches.keys()).length)).toBe(0);
    },
    TIMEOUT_MS,
  );

  it(
    'takes weights that gradcam convert wrote, with their model and its labels',
    async () => {
      const { page } = guest;
      const before = await shownMap(page);
      const converted = join(folder, 'u8');
      await convertWeights(await openWeights(BUILT_IN, { store: nodeStore() }), converted, {
        precision: 'u8',
        shardBytes: 250_000,
      });
      const files = readdirSync(converted).map((name) => ({ name, bytes: readFileSync(join(converted, name)) }));
      expect(files.length).toBeGreaterThan(3);
      await afterwards(page, () => drop(page, files));
      const shown = await shownMap(page);
      expect(shown).toMatchObject({ label: 'tree', outcome: 'ok' });
      // 8 bits move a map by a little.
      expect(difference(before.data, shown.data)).toBeLessThan(0.2);
      expect(difference(before.data, shown.data)).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );

  it(
    'goes on with a download where it broke off, and after a stop with the files that it has',
    async () => {
      const { page } = guest;
      const before = await shownMap(page);
      const converted = join(folder, 'u8');
      for (const name of readdirSync(converted)) demo.pages[`/weights/${name}`] = readFileSync(join(converted, name));
      const { asked, interruptions } = demo.server;
      const shards = Object.keys(demo.pages)
        .filter((path) => path.endsWith('.safetensors'))
        .sort();
      const [first, second] = shards as [string, string];
      interruptions.push({ path: second, afterBytes: 90_000, how: 'cut' });
      interruptions.push({ path: second, afterBytes: 60_000, how: 'stall' });
      const startsOf = (shard: string) => asked.filter(({ path }) => path === shard).map(({ start }) => start);

      await page.select('#model', 'vgg16');
      await page.click('#weights-url', { count: 3 });
      await page.type('#weights-url', new URL('/weights/', demo.address).href);
      await page.click('#load-weights');
      await expect.poll(() => startsOf(second).length, { timeout: 10_000 }).toBe(2);
      await page.click('#stop-loading');
      const kept = () => page.$eval('#cache-text', (text) => text.textContent);
      await expect.poll(kept, { timeout: 10_000 }).toMatch(/^Kept in this browser: 2 files, 0\.\d MB\.$/);

      // A link to what is kept in part alone asks nobody for the rest.
      let requests = asked.length;
      const newly = () => asked.slice(requests).filter(({ path }) => path.startsWith('/weights/'));
      const another = await page.browserContext().newPage();
      await another.goto(page.url());
      await expect.poll(() => another.$eval('#cache-text', (text) => text.textContent)).toMatch(/2 files/);
      await another.waitForNetworkIdle({ idleTime: 300 });
      expect(newly()).toEqual([]);

      await afterwards(page, () => page.click('#load-weights'));
      const [begun, cut] = startsOf(second);
      expect(begun).toBe(0);
      expect(cut).toBeGreaterThan(0);
      expect(startsOf(first)).toEqual([0]);
      expect((await shownMap(page)).data).toEqual(before.data);

      // What is kept whole is there without a word, and without a request but for the small index.
      requests = asked.length;
      await another.reload();
      await settled(another);
      expect((await shownMap(another)).shape).toEqual((await shownMap(page)).shape);
      expect(newly().filter(({ path }) => shards.includes(path))).toEqual([]);
      await another.close();
    },
    TIMEOUT_MS,
  );
});

it(
  'a visitor without WebGPU is told what it takes',
  async () => {
    const browser = await launchChromium(['--no-sandbox', '--disable-gpu']);
    const { page } = await visit({ ...demo, browser });
    await expect.poll(() => noticeOf(page), { timeout: 20_000 }).toMatch(/This browser offers no WebGPU/);
    expect(await page.$eval('#adapter', (adapter) => adapter.textContent)).toBe('No GPU');
    await screenshot(page, 'no-webgpu');
    await browser.close();
  },
  TIMEOUT_MS,
);
