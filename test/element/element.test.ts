/** The engine and <gradcam-view> as a page has them: in Chromium, from the built package, with the built-in model. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ATTRIBUTES } from '../../src/element/attributes.ts';
import type { Engine } from '../../src/element.ts';
import { explain } from '../../src/index.ts';
import { encodePng } from '../../src/node/image.ts';
import { loadModel } from '../../src/node/load-model.ts';
import { ensureFreshBuild } from '../harness/build.ts';
import { testGpu } from '../harness/gpu.ts';
import { filesBelow, ROOT } from '../harness/modules.ts';
import { openTestPage, scene, type TestPage } from './page.ts';

const TIMEOUT_MS = 120_000;
const TREE = scene.classIndex;

const weights = readFileSync(join(ROOT, 'models/vgg16-scenes.safetensors'));

/** Workers that are the engine's, with something done to WebGPU. */
const WORKERS = {
  '/no-webgpu-worker.js': `import '/dist/element-worker.js';
    Object.defineProperty(navigator, 'gpu', { value: undefined });`,
  // On a message, the device that was made last is lost; or buffers above a size do not fit.
  '/faulty-worker.js': `import '/dist/element-worker.js';
    let device;
    const { requestDevice } = GPUAdapter.prototype;
    GPUAdapter.prototype.requestDevice = async function (...args) { return (device = await requestDevice.apply(this, args)); };
    new BroadcastChannel('lose').onmessage = () => device.destroy();

    let most = Infinity;
    new BroadcastChannel('most').onmessage = ({ data, target }) => { most = data; target.postMessage('set'); };
    const { createBuffer, pushErrorScope, popErrorScope } = GPUDevice.prototype;
    const scopes = [];
    let isShort = false;
    GPUDevice.prototype.createBuffer = function (descriptor) {
      if (descriptor.size > most) isShort = true;
      return createBuffer.call(this, descriptor);
    };
    GPUDevice.prototype.pushErrorScope = function (filter) { scopes.push(filter); return pushErrorScope.call(this, filter); };
    GPUDevice.prototype.popErrorScope = async function () {
      const isMemory = scopes.pop() === 'out-of-memory' && isShort;
      if (isMemory) isShort = false;
      const error = await popErrorScope.call(this);
      return isMemory ? new GPUOutOfMemoryError('pretended') : error;
    };`,
};

/** The engine of the faulty worker, which two tests share: compiling its kernels takes seconds. */
declare global {
  var faulty: Engine;
}

const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
/** The README's page, with the package's folder in the place of an installed one. */
const README_PAGE = /```html\n(.*?)```/s.exec(readme)![1]!.replace('node_modules/gradcam-webgpu/', '/');

/** The same machine by another name. */
const FOREIGN_PAGE = `<!doctype html><gradcam-view src="/scene.png" method="grad-cam" auto></gradcam-view>
  <script>
    const script = document.createElement('script');
    script.type = 'module';
    script.src = location.origin.replace('localhost', '127.0.0.1') + '/dist/element.js';
    document.head.append(script);
  </script>`;

/** The worker in one file, from another origin. */
const WHOLE_WORKER_PAGE = `<!doctype html><gradcam-view src="/scene.png" method="grad-cam"></gradcam-view>
  <script type="module">
    import { Engine } from '/dist/element.js';
    const foreign = location.origin.replace('localhost', '127.0.0.1');
    Engine.shared({ worker: foreign + '/dist/element-worker.whole.js' });
    document.querySelector('gradcam-view').auto = true;
  </script>`;

/** A frame of no origin, as pages show what others have written. */
const SANDBOXED_PAGE = `<!doctype html><iframe sandbox="allow-scripts" src="/sandboxed-frame.html"></iframe>`;
const SANDBOXED_FRAME = `<!doctype html><gradcam-view src="/scene.png" method="grad-cam"></gradcam-view>
  <script type="module">
    import { Engine } from '/dist/element.js';
    const kept = await Engine.shared().cache.list();
    document.querySelector('gradcam-view').auto = kept.length === 0;
  </script>`;

/** As strict as a page can be that has the element: only its own files, and no text that becomes code or markup. */
const STRICT_PAGE = `<!doctype html>
  <meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self'; worker-src 'self';
    connect-src 'self'; require-trusted-types-for 'script'">
  <script type="module" src="/strict.js"></script><gradcam-view src="/scene.png" method="grad-cam"></gradcam-view>`;
const STRICT_SCRIPT = `import { Engine } from '/dist/element.js';
  const policy = trustedTypes.createPolicy('page', { createScriptURL: (address) => address });
  Engine.shared({ worker: () => new Worker(policy.createScriptURL('/dist/element-worker.js'), { type: 'module' }) });
  document.querySelector('gradcam-view').auto = true;`;

let page: TestPage;
beforeAll(async () => {
  page = await openTestPage({
    ...WORKERS,
    '/half.safetensors': weights.subarray(0, weights.length / 2),
    '/readme/page.html': README_PAGE,
    '/readme/photo.jpg': await encodePng(scene),
    '/foreign.html': FOREIGN_PAGE,
    '/whole-worker.html': WHOLE_WORKER_PAGE,
    '/sandboxed.html': SANDBOXED_PAGE,
    '/sandboxed-frame.html': SANDBOXED_FRAME,
    '/strict.html': STRICT_PAGE,
    '/strict.js': STRICT_SCRIPT,
    ...(await bundledPage()),
  });
}, TIMEOUT_MS);
afterAll(() => page?.close());

/** What Vite makes of a page that has installed the package: files by path. */
async function bundledPage(): Promise<Record<string, string | Uint8Array>> {
  ensureFreshBuild();
  const root = mkdtempSync(join(tmpdir(), 'gradcam-page-'));
  try {
    mkdirSync(join(root, 'node_modules'));
    symlinkSync(ROOT, join(root, 'node_modules/gradcam-webgpu'), 'dir');
    writeFileSync(join(root, 'main.js'), "import 'gradcam-webgpu/element';");
    const tag = '<gradcam-view src="/scene.png" method="grad-cam" auto></gradcam-view>';
    writeFileSync(join(root, 'index.html'), `${tag}<script type="module" src="main.js"></script>`);
    const built = await build({
      root,
      base: '/bundled/',
      configFile: false,
      logLevel: 'error',
      // Workers that share modules are modules themselves.
      worker: { format: 'es' },
      build: { write: false, target: 'esnext', chunkSizeWarningLimit: 2048 },
    });
    const files = [built].flat().flatMap((part) => ('output' in part ? part.output : []));
    return Object.fromEntries(
      files.map((file) => [`/bundled/${file.fileName}`, file.type === 'chunk' ? file.code : file.source]),
    );
  } finally {
    rmSync(root, { recursive: true });
  }
}

/** Opens another page of the server, and gives the class that its element finds, or that of the frame in it. */
async function classIn(path: string): Promise<string> {
  const tab = await page.page.browser().newPage();
  try {
    await tab.goto(new URL(path, page.origin).href);
    const frame = tab.frames().at(-1)!;
    return await frame.evaluate(async () => {
      await customElements.whenDefined('gradcam-view');
      const view = document.querySelector('gradcam-view')!;
      const settled = new Promise((resolve, reject) => {
        view.addEventListener('result', resolve);
        view.addEventListener('error', ({ error }) => reject(error));
      });
      if (!view.result) await settled;
      return view.result!.predictions[0]!.label!;
    });
  } finally {
    await tab.close();
  }
}

/** Largest difference as a share of the largest value. */
function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  const largest = Math.max(...Array.from(a));
  expect(largest).toBeGreaterThan(0);
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!))) / largest;
}

describe('<gradcam-view>', () => {
  it(
    'explains what its attributes say, as Node does',
    async () => {
      const shown = await page.run(async ({ next, partText }) => {
        const view = document.createElement('gradcam-view');
        view.setAttribute('src', '/scene.png');
        view.setAttribute('alt', 'A drawn scene');
        view.auto = true;
        const states: string[] = [];
        view.addEventListener('progress', ({ detail }) => states.push(`${view.state} ${detail.stage}`));
        document.body.append(view);
        const result = (await next(view, 'result')) as NonNullable<typeof view.result>;
        const canvas = view.shadowRoot!.querySelector<HTMLCanvasElement>('[part=map]')!;
        const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
        const found = {
          same: view.result === result,
          state: view.state,
          isState: view.matches(':state(done)'),
          states: [...new Set(states)],
          predictions: result.predictions,
          map: Array.from(result.map.data),
          shape: result.map.shape,
          caption: partText(view, 'caption'),
          label: view.shadowRoot!.querySelector('[role=img]')!.getAttribute('aria-label'),
          colours: new Set(new Uint32Array(data.buffer)).size,
          isVisible: !canvas.hidden,
        };
        view.remove();
        return found;
      });
      const model = await loadModel(await testGpu(), 'vgg16-scenes');
      const expected = await explain(model, scene);
      expect(difference(expected.map.data, shown.map)).toBeLessThan(1e-5);
      expect(shown).toMatchObject({ same: true, state: 'done', isState: true, shape: [1, 14, 14], isVisible: true });
      expect(shown.predictions[0]).toMatchObject({ classIndex: TREE, label: 'tree' });
      expect(shown.predictions).toHaveLength(5);
      expect(shown.states).toEqual(['loading loading', 'explaining explaining']);
      expect(shown.caption).toMatch(/^Why “tree” \(\d+ %\): Smooth Grad-CAM\+\+ at block5_conv3$/);
      expect(shown.label).toMatch(/^A drawn scene\. Heat map: Why “tree”.*\. Strongest in the [a-z ]+\.$/);
      expect(shown.colours).toBeGreaterThan(50);
    },
    TIMEOUT_MS,
  );

  it(
    'grows, and keeps the map so far when it is stopped',
    async () => {
      const { steps, samples, state } = await page.run(async ({ next }) => {
        const view = document.createElement('gradcam-view');
        Object.assign(view, { src: '/scene.png', samples: 40, batch: 1 });
        document.body.append(view);
        const explained = view.explain();
        const steps: number[] = [];
        view.addEventListener('step', ({ detail }) => {
          steps.push(detail.samples);
          if (steps.length === 2) view.stop();
        });
        await next(view, 'result');
        const samples = (await explained).options.nSamples;
        const { state } = view;
        view.remove();
        return { steps, samples, state };
      });
      expect(steps.length).toBeGreaterThanOrEqual(2);
      expect(samples).toBe(steps.at(-1));
      expect(samples).toBeLessThan(40);
      expect(state).toBe('done');
    },
    TIMEOUT_MS,
  );

  it(
    'does anew what an attribute is about, and no more',
    async () => {
      const found = await page.run(async ({ next, core }) => {
        const view = document.createElement('gradcam-view');
        Object.assign(view, { src: '/scene.png', auto: true });
        document.body.append(view);
        const first = (await next(view, 'result')) as NonNullable<typeof view.result>;
        const canvas = view.shadowRoot!.querySelector<HTMLCanvasElement>('[part=map]')!;
        const pixel = () => canvas.getContext('2d')!.getImageData(100, 100, 1, 1).data.join();
        const before = pixel();
        view.opacity = 0.25;
        view.colorMap = 'viridis';
        await Promise.resolve();
        const looks = { opacity: canvas.style.opacity, isOther: pixel() !== before, sameResult: view.result === first };

        view.filters = '3,17';
        view.setAttribute('combine-filters', 'sum');
        const combined = (await next(view, 'combine')) as { map: { data: Float32Array; shape: number[] } };
        const direct = await first.combine({ filters: [3, 17], combineFilters: 'sum' });
        view.filters = undefined;
        view.region = '2,2,9,9';
        const inBox = (await next(view, 'combine')) as { map: { data: Float32Array } };
        const outside = Array.from(inBox.map.data).filter((value, i) => {
          const [row, column] = [Math.floor(i / 14), i % 14];
          return value !== 0 && !(row >= 2 && row <= 9 && column >= 2 && column <= 9);
        });
        view.region = undefined;
        await next(view, 'combine');

        view.classIndex = 'arrow';
        const arrow = (await next(view, 'result')) as NonNullable<typeof view.result>;
        view.colorMap = 'rdbu';
        await Promise.resolve();
        const signed = pixel();
        view.colorMap = undefined;
        view.fit = 'crop';
        const crop = (await next(view, 'result')) as NonNullable<typeof view.result>;
        const corner = canvas.getContext('2d')!.getImageData(0, 0, 1, 1).data[3];
        Object.assign(view, { layer: 'block4_conv3, block5_conv3', fusion: 'mean' });
        const fused = (await next(view, 'result')) as NonNullable<typeof view.result>;
        const errors = await first.combine().catch((error: Error) => error instanceof core.ReleasedError);
        view.remove();
        return {
          looks,
          isSame: combined.map.data.every((value, i) => value === direct.map.data[i]),
          shape: combined.map.shape,
          outside,
          arrow: [arrow.classIndex, arrow.provenance.options.classIndex],
          signed: signed !== before,
          view: crop.view,
          corner,
          fused: [fused.map.shape, fused.layers?.map(({ map }) => map.shape)],
          errors,
        };
      });
      expect(found.looks).toEqual({ opacity: '0.25', isOther: true, sameResult: true });
      expect(found.isSame).toBe(true);
      expect(found.shape).toEqual([1, 14, 14]);
      expect(found.outside).toEqual([]);
      expect(found.arrow).toEqual([2, 2]);
      expect(found.signed).toBe(true);
      expect(found.fused).toEqual([
        [1, 28, 28],
        [
          [1, 28, 28],
          [1, 14, 14],
        ],
      ]);
      expect(found.view.left).toBe(14);
      expect(found.corner, 'transparent outside of the crop').toBe(0);
      expect(found.errors, 'the first result is released').toBe(true);
    },
    TIMEOUT_MS,
  );

  it(
    'says what is wrong, to the page and to people',
    async () => {
      const found = await page.run(async ({ next, partText }) => {
        const wrongs = {
          picture: { src: '/broken.png' },
          missing: { src: '/nothing.png' },
          weights: { src: '/scene.png', weights: '/half.safetensors' },
          method: { src: '/scene.png', method: 'gradcam' },
          number: { src: '/scene.png', samples: 'many' },
          cells: { src: '/scene.png', neurons: '1' },
          class: { src: '/scene.png', classIndex: 'unicorn' },
          look: { src: '/scene.png', colorMap: 'rainbow' },
        };
        const said: Record<string, string[]> = {};
        for (const [name, attributes] of Object.entries(wrongs)) {
          const view = document.createElement('gradcam-view');
          Object.assign(view, attributes, { auto: true });
          document.body.append(view);
          const error = (await next(view, 'error')) as Error;
          if (name === 'look') await next(view, 'result');
          said[name] = [error.constructor.name, view.state, partText(view, 'message')];
          if (name === 'look') {
            view.colorMap = undefined;
            await Promise.resolve();
            said.mended = [view.state, partText(view, 'message')];
          }
          view.remove();
        }
        return said;
      });
      expect(found).toEqual({
        picture: ['ImageError', 'failed', expect.stringMatching(/^The picture cannot be read: .*decoded/)],
        missing: ['ImageError', 'failed', expect.stringMatching(/^The picture cannot be read: .*nothing\.png.* 404/)],
        weights: ['WeightsError', 'failed', expect.stringMatching(/^The model's weights cannot be read: .*half/)],
        method: [
          'OptionError',
          'failed',
          expect.stringMatching(/^A setting is wrong. method: got "gradcam"; allowed:/),
        ],
        number: ['OptionError', 'failed', expect.stringMatching(/samples: got "many"; allowed: a number/)],
        cells: ['OptionError', 'failed', expect.stringMatching(/neurons: got "1"; allowed: cells as/)],
        class: ['OptionError', 'failed', expect.stringMatching(/class-index: got "unicorn"/)],
        // The explanation is there; it only cannot be drawn so.
        look: ['OptionError', 'failed', expect.stringMatching(/color-map: got "rainbow"; allowed: inferno/)],
        mended: ['done', ''],
      });
      expect(page.errors).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    'shares one engine, and frees what it had when it leaves',
    async () => {
      const workers = page.page.workers().length;
      const found = await page.run(async ({ next, element }) => {
        const engine = element.Engine.shared();
        const views = [document.createElement('gradcam-view'), document.createElement('gradcam-view')];
        for (const view of views) Object.assign(view, { src: '/scene.png', auto: true });
        const results = Promise.all(views.map((view) => next(view, 'result')));
        document.body.append(...views);
        await results;
        const during = await engine.memory();
        const gone = [views[0]!.isConnected && views[0]!, views[1]!] as HTMLElement[];
        // Only moved: it keeps what it has.
        const section = document.createElement('section');
        document.body.append(section);
        section.append(views[0]!);
        await new Promise((resolve) => setTimeout(resolve, 100));
        const moved = views[0]!.result !== undefined;
        for (const view of gone) view.remove();
        let after = await engine.memory();
        for (let i = 0; i < 500 && after.gpuBytes > 1e5; i++) {
          await new Promise((resolve) => setTimeout(resolve, 20));
          after = await engine.memory();
        }
        return { during, moved, after };
      });
      expect(workers).toBe(1);
      expect(page.page.workers()).toHaveLength(1);
      expect(found.during).toMatchObject({ models: 1, pictures: 2, results: 2 });
      expect(found.during.gpuBytes).toBeGreaterThan(2e6);
      expect(found.moved).toBe(true);
      expect(found.after).toMatchObject({ models: 0, pictures: 0, results: 0 });
      expect(found.after.gpuBytes).toBeLessThan(1e5);
    },
    TIMEOUT_MS,
  );

  it(
    'goes into another document and back, as it is',
    async () => {
      const found = await page.run(async ({ next }) => {
        const view = document.createElement('gradcam-view');
        Object.assign(view, { src: '/scene.png', method: 'grad-cam', auto: true });
        document.body.append(view);
        const result = await next(view, 'result');
        const part = (name: string) => view.shadowRoot!.querySelector<HTMLElement>(`[part=${name}]`)!;
        const looks = () => [
          getComputedStyle(part('stage')).position,
          getComputedStyle(part('map')).opacity,
          part('picture').offsetWidth === part('stage').offsetWidth,
          view.result === result && view.state,
        ];
        const other = document.createElement('iframe');
        document.body.append(other);
        const seen = [looks()];
        for (const { body } of [other.contentDocument!, document]) {
          body.append(view);
          await new Promise((resolve) => setTimeout(resolve, 20));
          seen.push(looks());
        }
        // One without a window has no sheets to give.
        document.implementation.createHTMLDocument().adoptNode(view);
        document.body.append(view);
        seen.push(looks());
        const second = document.createElement('gradcam-view');
        document.body.append(second);
        const [sheet] = second.shadowRoot!.adoptedStyleSheets;
        const isShared = view.shadowRoot!.adoptedStyleSheets[0] === sheet;
        for (const each of [view, second, other]) each.remove();
        return { seen, isShared };
      });
      expect(found.seen).toEqual(Array(4).fill(['relative', '0.5', true, 'done']));
      expect(found.isShared).toBe(true);
    },
    TIMEOUT_MS,
  );

  it(
    'shows what the page itself has explained, and leaves it alone',
    async () => {
      const found = await page.run(async ({ element, partText, core }) => {
        const engine = element.Engine.shared();
        const model = await engine.load({ model: 'vgg16-scenes' });
        const picture = await engine.open(core.drawScene(4, { instances: 3, secondClass: true }));
        const result = await engine.explain(model, picture, { method: 'grad-cam' });
        const view = document.createElement('gradcam-view');
        view.picture = picture;
        view.result = result;
        document.body.append(view);
        await new Promise((resolve) => setTimeout(resolve, 50));
        view.remove();
        await new Promise((resolve) => setTimeout(resolve, 20));
        document.body.append(view);
        await new Promise((resolve) => setTimeout(resolve, 50));
        const caption = partText(view, 'caption');
        view.remove();
        await Promise.resolve();
        const isThere = (await result.topFilters(1)).length;
        for (const held of [result, picture, model]) held.release();
        return { caption, isThere };
      });
      expect(found.caption).toMatch(/Grad-CAM at/);
      expect(found.isThere).toBe(1);
    },
    TIMEOUT_MS,
  );
});

describe('<gradcam-view> in the hands of a page', () => {
  it(
    'shows the newest of changes that come while it works, and says no more of what is mended',
    async () => {
      const found = await page.run(async ({ next, partText, element }) => {
        const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
        // Where nothing is laid out, and styles do not reach.
        const section = document.createElement('section');
        section.style.display = 'none';
        document.body.append(section);
        const root = section.attachShadow({ mode: 'open' });
        const view = document.createElement('gradcam-view');
        Object.assign(view, { src: '/scene.png', method: 'smooth-grad-cam++', samples: 1, auto: true });
        root.append(view);
        await next(view, 'result');
        const errors: string[] = [];
        view.addEventListener('error', ({ message }) => errors.push(message));
        for (let seed = 1; seed <= 8; seed++) {
          view.seed = seed;
          await pause(30);
        }
        // The one under way began without them.
        view.filters = '3';
        const combined = (await next(view, 'combine')) as { map: { data: Float32Array } };
        const { result } = view;
        const direct = await result!.combine({ filters: [3] });
        const newest = {
          seed: result!.options.nSamples && result!.options.seed,
          isSame: direct.map.data.every((value, i) => value === combined.map.data[i]),
          state: view.state,
          errors: [...errors],
          results: (await element.Engine.shared().memory()).results,
        };

        view.filters = '3,';
        await new Promise((resolve) => view.addEventListener('error', resolve, { once: true }));
        const wrong = [view.state, partText(view, 'message')];
        view.filters = '3,17';
        await next(view, 'combine');
        const mended = [view.state, partText(view, 'message')];
        section.remove();
        return { newest, wrong, mended };
      });
      expect(found.newest).toEqual({ seed: 8, isSame: true, state: 'done', errors: [], results: 1 });
      expect(found.wrong).toEqual(['failed', expect.stringMatching(/filters: got "3,"/)]);
      expect(found.mended).toEqual(['done', '']);
    },
    TIMEOUT_MS,
  );

  it(
    'ends its work where another picture is wanted or it is taken away, and leaves no sign of it',
    async () => {
      const found = await page.run(async ({ next, element, core }) => {
        const view = document.createElement('gradcam-view');
        Object.assign(view, { src: '/scene.png', samples: 40, batch: 1 });
        document.body.append(view);
        const bar = view.shadowRoot!.querySelector<HTMLElement>('[part=bar]')!;
        const begin = async () => {
          const outcome = view.explain().catch((error: Error) => error.constructor.name);
          await next(view, 'step');
          return { outcome };
        };
        let results = 0;
        view.addEventListener('result', () => results++);
        const first = await begin();
        view.picture = core.drawScene(5, { instances: 2 });
        const replaced = [await first.outcome, view.state, bar.hidden];
        for (let i = 0; i < 200 && view.state !== 'ready'; i++) await new Promise((resolve) => setTimeout(resolve, 10));
        const then = view.state;
        const second = await begin();
        view.remove();
        const removed = [await second.outcome, view.state, bar.hidden];
        const { pictures, results: held } = await element.Engine.shared().memory();
        return { replaced, then, removed, results, left: [pictures, held] };
      });
      expect(found.replaced).toEqual(['AbortError', expect.stringMatching(/^(empty|ready)$/), true]);
      expect(found.then).toBe('ready');
      expect(found.removed).toEqual(['AbortError', 'empty', true]);
      expect(found.results).toBe(0);
      expect(found.left).toEqual([0, 0]);
    },
    TIMEOUT_MS,
  );
});

describe('the engine', () => {
  it(
    'is started anew where a part of it did not come, as the browser would not ask for it again',
    async () => {
      const [part] = filesBelow('dist/chunks', '.js').filter((file) => file.includes('kernels-eigen-cam'));
      page.pages[`/${part}`] = 'throw new Error("the network is gone")';
      const failed = await page.run(async ({ next, partText }) => {
        const view = document.createElement('gradcam-view');
        Object.assign(view, { src: '/scene.png', method: 'eigen-cam', auto: true });
        document.body.append(view);
        const error = (await next(view, 'error')) as Error;
        return [error.constructor.name, error.message, partText(view, 'message')];
      });
      expect(failed).toEqual([
        'LoadError',
        expect.stringMatching(/could not be loaded: the network is gone/),
        expect.stringMatching(/^A part of this page .* could not be fetched\..*Try again$/),
      ]);
      delete page.pages[`/${part}`];
      const found = await page.run(async ({ next, partText }) => {
        const view = document.querySelector('gradcam-view')!;
        const other = document.createElement('gradcam-view');
        Object.assign(other, { src: '/scene.png', samples: 5, auto: true });
        const errors: unknown[] = [];
        other.addEventListener('error', ({ error }) => errors.push(error));
        document.body.append(other);
        await next(other, 'step');
        const interrupted = next(other, 'result');
        view.shadowRoot!.querySelector<HTMLButtonElement>('[part=retry]')!.click();
        const { outcome } = (await next(view, 'result')) as NonNullable<typeof view.result>;
        const message = partText(view, 'message');
        await interrupted;
        const copies = other.result!.options.nSamples;

        // What it shows is gone with the next engine, and made again when it is asked something.
        view.engine.dispose();
        await view.explain();
        other.filters = '3';
        const { options } = (await next(other, 'result')) as NonNullable<typeof other.result>;
        for (const each of [view, other]) each.remove();
        return { outcome, message, copies, filters: options.filters, errors: errors.map(String) };
      });
      expect(found).toEqual({ outcome: 'ok', message: '', copies: 5, filters: [3], errors: [] });
    },
    TIMEOUT_MS,
  );

  it(
    'gets over the loss of its device, and begins again what was running',
    async () => {
      const found = await page.run(async ({ element, core }) => {
        const engine = element.Engine.start({ worker: () => new Worker('/faulty-worker.js', { type: 'module' }) });
        globalThis.faulty = engine;
        const lose = new BroadcastChannel('lose');
        const events: string[] = [];
        for (const type of ['device-lost', 'recovered', 'device-gone']) {
          engine.addEventListener(type, () => events.push(type));
        }
        const model = await engine.load({ model: 'vgg16-scenes' });
        const picture = await engine.open(core.drawScene(4, { instances: 3, secondClass: true }));
        const options = { nSamples: 3, batch: 1 };
        const undisturbed = await engine.explain(model, picture, options);
        const samples: number[] = [];
        const disturbed = await engine.explain(model, picture, options, {
          onStep: (step) => {
            if (samples.push(step.samples) === 1) lose.postMessage('');
          },
        });
        // A result of the lost device is made again.
        const before = await undisturbed.topFilters(2);
        const after = await disturbed.topFilters(2);
        const { models } = await engine.memory();
        const isSame = (a: Float32Array, b: Float32Array) => a.length > 0 && a.every((value, i) => value === b[i]);
        for (const held of [undisturbed, disturbed, picture, model]) held.release();
        return {
          events,
          samples,
          same: isSame(undisturbed.map.data, disturbed.map.data),
          before,
          after,
          models,
        };
      });
      expect(found.events).toEqual(['device-lost', 'recovered']);
      expect(found.samples.length).toBeGreaterThan(2);
      expect(found.samples.indexOf(found.samples[0]!, 1), 'it began again').toBeGreaterThan(0);
      expect(found.same).toBe(true);
      expect(found.before).toEqual(found.after);
      expect(found.models).toBe(1);
    },
    TIMEOUT_MS,
  );

  it(
    'takes half as many samples a dispatch where memory is short, and else says what can be done',
    async () => {
      const found = await page.run(async ({ core, next, partText }) => {
        const engine = globalThis.faulty;
        const channel = new BroadcastChannel('most');
        const allow = (bytes: number) =>
          new Promise((resolve) => {
            channel.onmessage = resolve;
            channel.postMessage(bytes);
          });
        const scene = core.drawScene(4, { instances: 3, secondClass: true });
        const model = await engine.load({ model: 'vgg16-scenes' });
        // 8 maps of 224 × 224 are 1.6 MB for each copy: of 2 copies they fit, of 3 they do not.
        await allow(4e6);
        const short = await engine.explain(model, scene, { nSamples: 3 });
        const failure = await engine.explain(model, scene, { nSamples: 5 }).catch((error: Error) => error);

        const view = document.createElement('gradcam-view');
        Object.assign(view, { engine, picture: scene, samples: 5, batch: 6 });
        document.body.append(view);
        const failed = view.explain().catch((error: Error) => error.constructor.name);
        await next(view, 'error');
        const message = partText(view, 'message');
        view.shadowRoot!.querySelector<HTMLButtonElement>('[part=retry]')!.click();
        const retried = (await next(view, 'result')) as NonNullable<typeof view.result>;
        await allow(1e9);
        const plenty = await engine.explain(model, scene, { nSamples: 3 });
        const found = {
          batch: short.options.batch,
          same: short.map.data.every((value, i) => value === plenty.map.data[i]),
          failure: [failure.constructor.name, (failure as { batch?: number }).batch],
          plenty: plenty.options.batch,
          failed: await failed,
          message,
          retried: [view.batch, retried.options.batch],
          after: partText(view, 'message'),
        };
        engine.dispose();
        const disposed = await engine.classify(model, scene).catch((error: Error) => error.constructor.name);
        view.remove();
        return { ...found, disposed };
      });
      expect(found.disposed).toBe('DisposedError');
      expect(found.batch).toBe(2);
      expect(found.same, 'the same bits').toBe(true);
      expect(found.plenty).toBeUndefined();
      expect(found.failure).toEqual(['LimitError', 3]);
      expect(found.failed).toBe('LimitError');
      expect(found.message).toMatch(/too small for 3 samples at a time.*batch="2"\.Try 2 at a time$/);
      expect(found.retried).toEqual([2, 2]);
      expect(found.after).toBe('');
    },
    TIMEOUT_MS,
  );

  it(
    'says where WebGPU or its own worker is missing',
    async () => {
      const found = await page.run(async ({ element, next, partText }) => {
        const ended: string[] = [];
        const start = (path: string) =>
          element.Engine.start({
            worker() {
              const worker = new Worker(path, { type: 'module' });
              worker.terminate = () => {
                ended.push(path);
                Worker.prototype.terminate.call(worker);
              };
              return worker;
            },
          });
        const said: string[][] = [];
        for (const path of ['/no-webgpu-worker.js', '/no-worker.js']) {
          const view = document.createElement('gradcam-view');
          Object.assign(view, { engine: start(path), src: '/scene.png', auto: true });
          document.body.append(view);
          const error = (await next(view, 'error')) as Error & { code: string };
          said.push([error.constructor.name, error.code, partText(view, 'message')]);
          view.remove();
        }
        return { said, ended };
      });
      expect(found.ended).toEqual(['/no-worker.js']);
      expect(found.said).toEqual([
        ['GpuUnavailableError', 'gpu-unavailable', expect.stringMatching(/^WebGPU is missing here/)],
        [
          'EngineError',
          'engine',
          expect.stringMatching(/^The explanation cannot begin: .* did not start: element-worker\.js must lie beside/),
        ],
      ]);
    },
    TIMEOUT_MS,
  );

  it(
    'classifies, stops, and hands out results as files',
    async () => {
      const found = await page.run(async ({ element, core }) => {
        const engine = element.Engine.shared();
        const scene = core.drawScene(4, { instances: 3, secondClass: true });
        const model = await engine.load({
          model: 'vgg16-scenes',
          labels: core.SCENE_CLASSES.map((name) => `a ${name}`),
        });
        const [best] = await engine.classify(model, scene, { topK: 1 });
        const stop = new AbortController();
        const stopped = engine.explain(
          model,
          scene,
          { nSamples: 5, batch: 1 },
          { signal: stop.signal, onStep: () => stop.abort() },
        );
        const aborted = await stopped.catch((error: Error) => error.constructor.name);
        const result = await engine.explain(model, scene, { method: 'grad-cam' });
        const source = { scene: { seed: 4, instances: 3, secondClass: true } };
        const png = new Uint8Array(await (await result.png({ boxes: {}, source })).arrayBuffer());
        const text = core.pngText(png, core.PNG_KEYWORD)!;
        const json = JSON.parse(await result.json({ source }).text());
        const npy = new Uint8Array(await result.npy().arrayBuffer());
        const values = new Float32Array(npy.slice(-4 * 14 * 14).buffer);
        const overlay = await result.overlay();
        const boxes = await result.boxes({ threshold: 0.5 });
        const large = await result.upsample({ height: 28, width: 28 });
        const wrong = await result
          .combine({ filters: [4711] })
          .catch((error) => [error instanceof core.OptionError, error.code, error.option, error.value]);
        result.release();
        const released = await result.combine().catch((error: Error) => error.constructor.name);
        model.release();
        const { record, checksum } = { record: JSON.parse(text), checksum: result.provenance.map.checksum };
        return {
          best: best!.label,
          aborted,
          record: [record.source, record.provenance.map.checksum === checksum],
          json: [json.source, json.provenance.map.checksum === checksum, json.map, json.completeness],
          isSame: values.every((value, i) => value === result.map.data[i]),
          overlay: [overlay.width, overlay.height],
          boxes: boxes.length,
          large: large.shape,
          layers: model.layers.filter(({ canBeExplained }) => canBeExplained).length,
          layer: model.defaultLayer,
          wrong,
          released,
        };
      });
      const source = { scene: { seed: 4, instances: 3, secondClass: true } };
      expect(found).toMatchObject({
        best: 'a tree',
        aborted: 'AbortError',
        record: [source, true],
        isSame: true,
        overlay: [224, 224],
        large: [1, 28, 28],
        layers: 18,
        layer: 'block5_conv3',
        wrong: [true, 'option', 'filters', 4711],
        released: 'ReleasedError',
      });
      expect(found.json).toEqual([source, true, { maps: 1, height: 14, width: 14, max: expect.any(Number) }, null]);
      expect(found.boxes).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );

  it(
    'shrinks what is larger than it may be, before anything comes back',
    async () => {
      const found = await page.run(async ({ element }) => {
        const engine = element.Engine.start({ maxPicturePixels: 100 * 100 });
        const large = new OffscreenCanvas(800, 400);
        large.getContext('2d')!.fillRect(0, 0, 400, 400);
        const picture = await engine.open(await large.convertToBlob(), { previewSide: 64 });
        const { width, height, original, preview } = picture;
        engine.dispose();
        return { width, height, original, preview: [preview.width, preview.height] };
      });
      expect(found).toEqual({ width: 141, height: 70, original: { width: 800, height: 400 }, preview: [64, 31] });
    },
    TIMEOUT_MS,
  );
});

describe('a page', () => {
  it('needs ten lines, and no bundler', async () => {
    expect(README_PAGE.trim().split('\n').length).toBeLessThanOrEqual(11);
    expect(await classIn('/readme/page.html')).toBe('tree');
  }, 120_000);

  it('may come out of a bundler', async () => {
    expect(await classIn('/bundled/index.html')).toBe('tree');
  }, 120_000);

  it('may take the package from another origin', async () => {
    expect(await classIn('/foreign.html')).toBe('tree');
  }, 120_000);

  it('may take the worker in one file, from wherever it lies', async () => {
    expect(await classIn('/whole-worker.html')).toBe('tree');
  }, 120_000);

  it('may be a sandboxed frame', async () => {
    expect(await classIn('/sandboxed.html')).toBe('tree');
  }, 120_000);

  it('may have a strict Content-Security-Policy, and Trusted Types', async () => {
    expect(await classIn('/strict.html')).toBe('tree');
  }, 120_000);

  it('finds every attribute, event and part in docs/embedding.md', () => {
    const text = readFileSync(join(ROOT, 'docs/embedding.md'), 'utf8');
    const parts = readFileSync(join(ROOT, 'src/element/parts.ts'), 'utf8').matchAll(/ part\('\w+', '(\w+)'/g);
    const events = readFileSync(join(ROOT, 'src/element/view.ts'), 'utf8').matchAll(
      /new (?:Custom|Error)Event\('(\w+)'/g,
    );
    const names = [...Object.keys(ATTRIBUTES), ...[...parts, ...events].map(([, name]) => name!)];
    expect(names.length).toBeGreaterThan(40);
    expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });
});
