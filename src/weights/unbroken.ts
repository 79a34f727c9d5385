/** Reading that goes on where it was cut off. */
import { type ByteSource, type ByteStore, withOpen } from './store.ts';

/** Before another try, in ms, after as many in a row that brought nothing. */
const WAITS_MS: readonly number[] = [250, 1000, 3000, 8000];

/**
 * A store whose files come to their end although connections break: where the file has a version by which it is known to be the
 * same, it is opened again where it broke off, as long as something comes of that.
 *
 * @param waitsMs before each try that follows one without a byte; after the last, the reading fails
 */
export function resumingStore(store: ByteStore, waitsMs = WAITS_MS): ByteStore {
  return withOpen(store, async (location, options) => {
    const source = await store.open(location, options);
    const { version, size } = source;
    if (version === undefined) return source;
    let reached = source.start ?? 0;
    let tries = 0;
    const reopen = async (start: number, failure: unknown): Promise<ByteSource> => {
      if (start > reached) tries = 0;
      reached = start;
      for (let cause = failure; ; ) {
        if (options.signal?.aborted) throw cause;
        if (tries === waitsMs.length)
          throw new Error(`${brokenOff(start, size)}, and again without any more`, { cause });
        await wait(waitsMs[tries++]!, options.signal);
        let again: ByteSource;
        try {
          again = await store.open(location, { ...options, from: { start, version, size } });
        } catch (error) {
          cause = error;
          continue;
        }
        if (again.version === version) return again;
        await again.stream.cancel();
        throw changed();
      }
    };
    return { ...source, stream: unbroken(source, reopen) };
  });
}

export function brokenOff(start: number, size: number | undefined): string {
  return `the connection broke off after ${start}${size === undefined ? '' : ` of ${size}`} bytes`;
}

/** What has been read is of a file that is there no more. */
export function changed(): Error {
  return new Error('the file was changed at its address while it was read; read it again, from its beginning');
}

/**
 * The bytes of a source; where its stream fails, or ends before all that the source told of, the rest from another.
 *
 * @param reopen gives a source of the same bytes that begins at `start` or before it, or fails for good
 */
export function unbroken(
  source: ByteSource,
  reopen: (start: number, failure: unknown) => Promise<ByteSource>,
): ReadableStream<Uint8Array> {
  let reader = source.stream.getReader();
  let { size, start: count = 0 } = source;
  /** Bytes that the newest source gives once more. */
  let toSkip = 0;
  let isCancelled = false;
  /** The next bytes; none where they come no more from this source. */
  const read = async (): Promise<{ value?: Uint8Array; failure?: unknown }> => {
    try {
      const { value } = await reader.read();
      if (value !== undefined || size === undefined || count >= size) return { value };
      return { failure: new Error(`only ${count} of ${size} bytes have come`) };
    } catch (failure) {
      return { failure: failure ?? new Error('for no reason that was given') };
    }
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        for (;;) {
          const { value, failure } = await read();
          if (failure !== undefined) {
            const rest = await reopen(count, failure);
            reader = rest.stream.getReader();
            toSkip = count - (rest.start ?? 0);
            size ??= rest.size;
            if (isCancelled) return reader.cancel();
            continue;
          }
          if (value === undefined) return controller.close();
          const fresh = value.subarray(toSkip);
          toSkip -= value.length - fresh.length;
          count += fresh.length;
          if (fresh.length > 0) return controller.enqueue(fresh);
        }
      },
      cancel(reason) {
        isCancelled = true;
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** Until the time has passed, or the signal fires. */
function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    signal?.addEventListener('abort', end, { once: true });
  });
}
