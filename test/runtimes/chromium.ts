/** The test bundle in headless Chromium, on its own SwiftShader, as @sparticuz/chromium packs it. */
import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { cp, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import puppeteer, { type Browser } from 'puppeteer';
import { packagedArchive, unpackPackaged } from '../../src/node/adapters.ts';
import type { CollectedTest, Outcome } from './mini-vitest.ts';
import type { RemoteRuntime } from './remote.ts';

interface ChromiumProgram {
  readonly executablePath: string;
  readonly env: Record<string, string | undefined>;
}

/**
 * Unpacks Chromium once into the cache. SwiftShader must lie next to the program; the libraries that a bare machine
 * lacks (NSS, expat) go on the library path.
 *
 * PUPPETEER_EXECUTABLE_PATH names another Chromium to use, which has to be complete.
 */
async function chromiumProgram(): Promise<ChromiumProgram> {
  const { PUPPETEER_EXECUTABLE_PATH: ownProgram, ...env } = process.env;
  if (ownProgram) return { executablePath: ownProgram, env };

  const libraries = await unpackPackaged('al2023');
  const archive = packagedArchive('al2023')!;
  const folder = join(dirname(libraries), `chromium-${archive.version}`);
  if (!existsSync(folder)) await unpackProgram(join(dirname(archive.path), 'chromium.br'), folder);
  return {
    executablePath: join(folder, 'chromium'),
    env: {
      ...env,
      LD_LIBRARY_PATH: [join(libraries, 'lib'), env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter),
      // The driver that Dawn in Node is to use is not Chromium's.
      VK_ICD_FILENAMES: undefined,
      VK_DRIVER_FILES: undefined,
    },
  };
}

/** The folder appears complete or not at all, however many processes do this at a time. */
async function unpackProgram(packed: string, folder: string): Promise<void> {
  const partial = `${folder}.${randomUUID()}.partial`;
  try {
    await cp(await unpackPackaged('swiftshader'), partial, { recursive: true });
    const program = createWriteStream(join(partial, 'chromium'), { mode: 0o755 });
    await pipeline(createReadStream(packed), createBrotliDecompress(), program);
    await rename(partial, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

const FLAGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  // A software adapter may take longer over one dispatch than a GPU is ever given.
  '--disable-gpu-watchdog',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

/** @param flags by default those for WebGPU on SwiftShader */
export async function launchChromium(flags: readonly string[] = FLAGS): Promise<Browser> {
  const { executablePath, env } = await chromiumProgram();
  return puppeteer.launch({
    executablePath,
    env,
    headless: 'shell',
    args: [...flags],
    // The tests have their own time limits.
    protocolTimeout: 0,
  });
}

/** Serves the bundle on localhost, which counts as a secure page, and opens it in a new Chromium. */
export async function startChromium(bundle: string): Promise<RemoteRuntime> {
  const server = createServer((request, response) => {
    const isBundle = request.url === '/tests.mjs';
    response.setHeader('content-type', isBundle ? 'text/javascript' : 'text/html');
    response.end(isBundle ? bundle : '<!doctype html><title>GPU tests</title>');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const browser = await launchChromium();
  const stop = async () => {
    await browser.close();
    server.close();
  };
  try {
    const page = await browser.newPage();
    const crashed = new Promise<never>((_, reject) => page.once('error', reject));
    crashed.catch(() => undefined);
    await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`);
    // As text, because vitest rewrites the imports of this file. A module is evaluated once, however often imported.
    const call = (expression: string) =>
      Promise.race([page.evaluate(`import('/tests.mjs').then((bundle) => bundle.${expression})`), crashed]);
    return {
      tests: (await call('listTests()')) as CollectedTest[],
      run: async (index) => (await call(`runTest(${index})`)) as Outcome,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
