import { onDemand } from '../on-demand.ts';
import type { Sha256 } from './incremental-sha256.ts';

/**
 * 'sha256-<hex>' of bytes that are all there, by WebCrypto, which is present wherever WebGPU is; off the calling thread.
 */
export async function checksumOf(bytes: BufferSource): Promise<string> {
  return `sha256-${await digest(bytes)}`;
}

/** WebCrypto takes nothing piece by piece: so much is held until all is there. */
export const HELD_BYTES = 16 << 20;

/** The SHA-256 of bytes that come piece by piece, by the runtime's own where it can. */
export class StreamedSha256 {
  /** The pieces so far, if they are few. They must stay as they are. */
  #held: Uint8Array<ArrayBuffer>[] = [];
  #heldBytes = 0;
  #incremental: Sha256 | undefined;

  /** @param incremental one that takes the pieces as they come; default: WebCrypto's, and for long files one in JavaScript */
  constructor(incremental?: Sha256) {
    this.#incremental = incremental;
  }

  /** Appends bytes. @throws LoadError */
  async update(bytes: Uint8Array): Promise<void> {
    if (this.#incremental) {
      this.#incremental.update(bytes);
      return;
    }
    this.#held.push(bytes as Uint8Array<ArrayBuffer>);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes <= HELD_BYTES) return;
    const { createSha256 } = await onDemand('what hashes long files', () => import('./incremental-sha256.ts'));
    this.#incremental = createSha256();
    for (const piece of this.#held.splice(0)) this.#incremental.update(piece);
  }

  /** Lower-case hexadecimal; nothing may be added afterwards. */
  async hex(): Promise<string> {
    return this.#incremental?.hex() ?? digest(await new Blob(this.#held).arrayBuffer());
  }
}

async function digest(bytes: BufferSource): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
