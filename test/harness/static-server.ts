/** Files on localhost, which counts as a secure page, as any web server would serve them, and pages that a test writes. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
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

export interface StaticServer {
  /** With a slash at its end. */
  readonly origin: string;
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
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const asked = normalize(decodeURIComponent(new URL(request.url!, 'http://localhost').pathname));
    const path = asked.endsWith('/') ? `${asked}index.html` : asked;
    // As content delivery networks do: the project is also taken from another origin.
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('content-type', TYPES[extname(path)] ?? 'application/octet-stream');
    if (Object.hasOwn(pages, path)) return response.end(pages[path]);
    const file = join(folder, path.slice(under.length));
    const found = path.startsWith(under) ? await stat(file).catch(() => undefined) : undefined;
    if (!found?.isFile()) {
      missing.push(path);
      return response.writeHead(404).end();
    }
    response.setHeader('content-length', found.size);
    return createReadStream(file).pipe(response);
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const origin = `http://localhost:${(server.address() as AddressInfo).port}/`;
  return { origin, missing, close: () => server.close() };
}
