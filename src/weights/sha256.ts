import { sha256 } from '@noble/hashes/sha2.js';

/** An incremental SHA-256. */
export interface Sha256 {
  update(bytes: Uint8Array): unknown;
  /** Lower-case hexadecimal; nothing may be added afterwards. */
  hex(): string;
}

/** SHA-256 in JavaScript, for runtimes whose own cannot be fed piece by piece (WebCrypto's cannot). */
export function createSha256(): Sha256 {
  const hash = sha256.create();
  return {
    update: (bytes) => hash.update(bytes),
    hex: () => Array.from(hash.digest(), (byte) => byte.toString(16).padStart(2, '0')).join(''),
  };
}
