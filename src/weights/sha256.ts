import { sha256 } from '@noble/hashes/sha2.js';

/** An incremental SHA-256. */
export interface Sha256 {
  /** Appends bytes. */
  update(bytes: Uint8Array): unknown;
  /** Lower-case hexadecimal; nothing may be added afterwards. */
  hex(): string;
}

/** SHA-256 in JavaScript, for runtimes whose own cannot be fed piece by piece (WebCrypto's cannot). */
export function createSha256(): Sha256 {
  const hash = sha256.create();
  return {
    update: (bytes) => hash.update(bytes),
    hex: () => hex(hash.digest()),
  };
}

/**
 * 'sha256-<hex>' of bytes that are all there, by WebCrypto, which is present wherever WebGPU is; off the calling thread.
 */
export async function checksumOf(bytes: ArrayBufferView<ArrayBuffer>): Promise<string> {
  return `sha256-${hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))}`;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
