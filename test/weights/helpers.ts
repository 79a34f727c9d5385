/** Small weights files made on the spot, and places to read them from. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'vitest';
import { WeightsError } from '../../src/errors.ts';
import type { ByteStore, StreamOptions, WeightsFile } from '../../src/weights/source.ts';

export interface PlainTensor {
  name: string;
  dtype: string;
  shape: number[];
  bytes: Uint8Array;
}

export function float32(name: string, shape: number[], values: readonly number[]): PlainTensor {
  return { name, dtype: 'F32', shape, bytes: new Uint8Array(Float32Array.from(values).buffer) };
}

/** A valid safetensors file. */
export function encodeSafetensors(tensors: readonly PlainTensor[]): Uint8Array {
  let end = 0;
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  for (const { name, dtype, shape, bytes } of tensors) {
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] };
    end += bytes.length;
  }
  return safetensorsOf(JSON.stringify(header), concat(tensors.map(({ bytes }) => bytes)));
}

/** A safetensors file with any header, valid or not. */
export function safetensorsOf(header: string | Uint8Array, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  return concat([length, text, data]);
}

export function modelJson(...groups: { paths: unknown; weights: unknown }[]): Uint8Array {
  const model = { format: 'layers-model', modelTopology: {}, weightsManifest: groups };
  return new TextEncoder().encode(JSON.stringify(model));
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Files in memory, which come in chunks of `chunkBytes` and tell their size if `sized`. */
export function memoryStore(
  files: Record<string, Uint8Array>,
  { chunkBytes = 1 << 16, sized = true }: { chunkBytes?: number; sized?: boolean } = {},
): ByteStore & { opened: string[]; cancelled: string[] } {
  const opened: string[] = [];
  const cancelled: string[] = [];
  return {
    opened,
    cancelled,
    locate: async (location) => location,
    resolve: (base, relative) => base.replace(/[^/]*$/, relative),
    async open(location) {
      const bytes = files[location];
      if (bytes === undefined) throw new Error('no such file');
      opened.push(location);
      let at = 0;
      const stream = new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            if (at >= bytes.length) return controller.close();
            controller.enqueue(bytes.slice(at, at + chunkBytes));
            at += chunkBytes;
          },
          cancel() {
            cancelled.push(location);
          },
        },
        { highWaterMark: 0 },
      );
      return { size: sized ? bytes.length : undefined, stream };
    },
  };
}

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
