/** SHA-256 in JavaScript, for what is too long to be held as a whole in runtimes whose own cannot be fed piece by piece. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

/** An incremental SHA-256. */
export interface Sha256 {
  /** Appends bytes. */
  update(bytes: Uint8Array): unknown;
  /** Lower-case hexadecimal; nothing may be added afterwards. */
  hex(): string;
}

export function createSha256(): Sha256 {
  const hash = sha256.create();
  return {
    update: (bytes) => hash.update(bytes),
    hex: () => bytesToHex(hash.digest()),
  };
}
