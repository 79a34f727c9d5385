/** What the tests of reading weights share: reading to the end, and a web server. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'vitest';
import { WeightsError } from '../../src/errors.ts';
import type { StreamOptions, WeightsFile } from '../../src/weights/source.ts';

/** Reads a file to its end: the tensors' values by name, checked for pieces in order without gaps. */
export async function readAll(file: WeightsFile, options?: StreamOptions): Promise<Map<string, Float32Array>> {
  const pieces = new Map<string, Float32Array[]>();
  for await (const { tensor, offset, values } of file.stream(options)) {
    const before = pieces.get(tensor.name) ?? [];
    expect(offset).toBe(before.reduce((sum, piece) => sum + piece.length, 0));
    expect(values.length).toBeGreaterThan(0);
    pieces.set(tensor.name, [...before, values]);
  }
  return new Map(Array.from(pieces, ([name, parts]) => [name, Float32Array.from(parts.flatMap((part) => [...part]))]));
}

/** The WeightsError that the work rejects with. */
export async function weightsErrorOf(work: () => Promise<unknown>): Promise<WeightsError> {
  const error = await work().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(WeightsError);
  return error as WeightsError;
}

export interface TestServer {
  /** With a slash at the end. */
  readonly url: string;
  /** Paths asked for, in order. */
  readonly requests: string[];
  close(): Promise<void>;
}

/**
 * Tells how much of what `fetch` brings has been read, for servers that cut connections: bytes that have come and wait to be read
 * are lost with the connection.
 */
export function watchFetch(): { cutAfter(response: ServerResponse, bytes: Uint8Array): void; restore(): void } {
  let taken = 0;
  const { fetch } = globalThis;
  globalThis.fetch = async (...request) => {
    const response = await fetch(...request);
    const counted = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        taken += chunk.length;
        controller.enqueue(chunk);
      },
    });
    return Object.defineProperty(response, 'body', { value: response.body?.pipeThrough(counted) });
  };
  return {
    /** Sends the bytes, and cuts the connection when they have been read. */
    cutAfter(response, bytes) {
      const end = taken + bytes.length;
      const cut = () => {
        if (taken < end && !response.destroyed) setTimeout(cut, 1);
        else response.destroy();
      };
      response.write(bytes, cut);
    },
    restore() {
      globalThis.fetch = fetch;
    },
  };
}

type Handler = (response: ServerResponse, request: IncomingMessage) => void;

/** A server of the given files; what is not there is answered 404. */
export async function serve(routes: Record<string, Uint8Array | Handler>): Promise<TestServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url!);
    const route = routes[request.url!.replace(/\?.*$/, '')];
    if (route === undefined) response.writeHead(404).end('nothing here');
    else if (typeof route === 'function') route(response, request);
    else response.writeHead(200, { 'content-length': route.length }).end(route);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    requests,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
