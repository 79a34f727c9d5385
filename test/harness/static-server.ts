/** Files on localhost, which counts as a secure page, as any web server would serve them, and pages that a test writes. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};

/** What came before a connection is cut, a busy browser may throw away unread. */
const ARRIVAL_MS = 400;

/** An answer that does not come to its end: the connection is cut, or nothing more comes. */
export interface Interruption {
  readonly path: string;
  readonly afterBytes: number;
  readonly how: 'cut' | 'stall';
}

export interface StaticServer {
  /** With a slash at its end. */
  readonly origin: string;
  /** What was asked for, in order, with the first byte that was wanted. */
  readonly asked: { readonly path: string; readonly start: number }[];
  /** Of answers to come; each happens once, those of a path in order. */
  readonly interruptions: Interruption[];
  /** Paths that were asked for and are not there. */
  readonly missing: string[];
  close(): void;
}

/**
 * @param folder what is served
 * @param options.pages by path, '/page.html', in front of the folder's files
 * @param options.under the path that stands for the folder, with a slash at its end
 */
export async function serveFolder(
  folder: string,
  { pages = {}, under = '/' }: { pages?: Readonly<Record<string, string | Uint8Array>>; under?: string } = {},
): Promise<StaticServer> {
  const missing: string[] = [];
  const asked: StaticServer['asked'] = [];
  const interruptions: Interruption[] = [];
  const read = async (path: string) => {
    if (Object.hasOwn(pages, path)) return Buffer.from(pages[path]!);
    return path.startsWith(under) ? readFile(join(folder, path.slice(under.length))).catch(() => undefined) : undefined;
  };
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const named = normalize(decodeURIComponent(new URL(request.url!, 'http://localhost').pathname));
    const path = named.endsWith('/') ? `${named}index.html` : named;
    // As content delivery networks do: the project is also taken from another origin.
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('content-type', TYPES[extname(path)] ?? 'application/octet-stream');
    const body = await read(path);
    if (!body) {
      missing.push(path);
      return response.writeHead(404).end();
    }
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const [start, end] = [Number(from ?? 0), to ? Number(to) + 1 : body.length];
    asked.push({ path, start });
    response.setHeader('etag', `"${createHash('sha256').update(body).digest('hex')}"`);
    response.setHeader('content-length', end - start);
    if (from !== undefined) {
      response.setHeader('content-range', `bytes ${start}-${end - 1}/${body.length}`);
      response.writeHead(206);
    }
    const next = interruptions.findIndex((interruption) => interruption.path === path);
    if (next < 0) return response.end(body.subarray(start, end));
    const [{ afterBytes, how }] = interruptions.splice(next, 1) as [Interruption];
    return response.write(body.subarray(start, start + afterBytes), () => {
      if (how === 'cut') setTimeout(() => response.destroy(), ARRIVAL_MS);
    });
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const origin = `http://localhost:${(server.address() as AddressInfo).port}/`;
  return {
    origin,
    asked,
    interruptions,
    missing,
    close() {
      server.close();
      // Those that nothing more comes on would hold it open.
      server.closeAllConnections();
    },
  };
}
