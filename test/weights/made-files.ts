/** Small weights files made on the spot, and a store that holds them. Imports nothing of Node: it serves every runtime. */
import type { ByteStore } from '../../src/weights/source.ts';

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
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
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
