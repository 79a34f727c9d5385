/** The project's own files on localhost, as any web server would serve them, and pages that a test writes. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
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
 * @param pages by path, '/page.html', in front of the folder's files
 */
export async function serveFolder(
  folder: string,
  pages: Readonly<Record<string, string | Uint8Array>>,
): Promise<StaticServer> {
  const missing: string[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const path = normalize(decodeURIComponent(new URL(request.url!, 'http://localhost').pathname));
    // As content delivery networks do: the project is also taken from another origin.
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('content-type', TYPES[extname(path)] ?? 'application/octet-stream');
    if (Object.hasOwn(pages, path)) return response.end(pages[path]);
    const file = join(folder, path);
    const found = await stat(file).catch(() => undefined);
    if (!found?.isFile()) {
      missing.push(path);
      return response.writeHead(404).end();
    }
    response.setHeader('content-length', found.size);
    return createReadStream(file).pipe(response);
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://localhost:${(server.address() as AddressInfo).port}/`;
  return { origin, missing, close: () => server.close() };
}
