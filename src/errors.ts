/**
 * Every error the library throws on purpose. Each has a class to catch by and a stable `code` to switch on; the message
 * says what was given, what is allowed and what to do.
 */

/** Base class of the library's errors. */
export class GradcamError extends Error {
  /** Stable, machine-readable reason, such as 'weights' or 'option'. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    // Not of the class: a minifier gives it another one.
    this.name = `${code.replace(/(^|-)./g, (start) => start.slice(-1).toUpperCase())}Error`;
  }
}

/** No WebGPU here, or no adapter that can be used. */
export class GpuUnavailableError extends GradcamError {
  constructor(message: string, options?: ErrorOptions) {
    super('gpu-unavailable', message, options);
  }
}

/** The work does not fit a limit of the device, however it is split. */
export class LimitError extends GradcamError {
  /** Name of the WebGPU limit, or 'memory'. */
  readonly limit: string;
  /** In the unit of the limit: bytes for memory and buffers. */
  readonly needed: number;
  /** In the same unit. */
  readonly available: number;

  constructor(what: string, detail: { limit: string; needed: number; available: number }, options?: ErrorOptions) {
    super('limit', `${what}: needs ${detail.limit} = ${detail.needed}, available is ${detail.available}`, options);
    this.limit = detail.limit;
    this.needed = detail.needed;
    this.available = detail.available;
  }
}

/** A weights file is missing, broken, or not the one that the network needs. */
export class WeightsError extends GradcamError {
  /** URL or path of the file at fault. */
  readonly file: string;
  /** Name of the tensor at fault, where one is. */
  readonly tensor: string | undefined;
  /** What should be there, in words. */
  readonly expected: string | undefined;
  /** What is there instead. */
  readonly found: string | undefined;
  /** The address could not be opened or read to its end, whatever is there: another try may do better. */
  readonly isTransfer: boolean;

  constructor(
    problem: string,
    detail: { file: string; tensor?: string; expected?: string; found?: string; isTransfer?: boolean },
    options?: ErrorOptions,
  ) {
    const parts = [`${detail.file}: ${problem}`];
    if (detail.tensor !== undefined) parts.push(`tensor ${detail.tensor}`);
    if (detail.expected !== undefined) parts.push(`expected ${detail.expected}`);
    if (detail.found !== undefined) parts.push(`found ${detail.found}`);
    super('weights', parts.join('; '), options);
    this.file = detail.file;
    this.tensor = detail.tensor;
    this.expected = detail.expected;
    this.found = detail.found;
    this.isTransfer = detail.isTransfer ?? false;
  }
}

/** An option of a call is out of range, unknown, or does not go with the others. */
export class OptionError extends GradcamError {
  /** Its name. */
  readonly option: string;
  /** What was given; undefined where the option is missing. */
  readonly value: unknown;
  /** What would have been accepted, in words. */
  readonly allowed: string;

  /** @param value undefined where the option is missing */
  constructor(option: string, value: unknown, allowed: string) {
    const problem = value === undefined ? 'not given; needed' : `got ${describeValue(value)}; allowed`;
    super('option', `${option}: ${problem}: ${allowed}`);
    this.option = option;
    this.value = value;
    this.allowed = allowed;
  }
}

/** A picture cannot be read or has no pixels. */
export class ImageError extends GradcamError {
  constructor(message: string, options?: ErrorOptions) {
    super('image', message, options);
  }
}

/** Numbers left float32's range on their way through the network: the weights or the noise are too large. */
export class OverflowError extends GradcamError {
  constructor(message: string, options?: ErrorOptions) {
    super('overflow', message, options);
  }
}

/** A WGSL kernel did not compile; the message shows kernel, variant, line and source. */
export class ShaderError extends GradcamError {
  constructor(message: string, options?: ErrorOptions) {
    super('shader', message, options);
  }
}

/** A part of the library that is loaded when it is first needed could not be; see docs/embedding.md. The next call tries again. */
export class LoadError extends GradcamError {
  /** What it is, in words. */
  readonly part: string;

  constructor(part: string, options?: ErrorOptions) {
    const { cause } = options ?? {};
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(
      'load',
      `${part} could not be loaded: ${reason}. Is the network there, and were the page's files replaced by those of another ` +
        'version? Try again; if that does not help, reload the page.',
      options,
    );
    this.part = part;
  }
}

/** The GPU device was lost (driver reset, watchdog, or destroyed) while or before it was used. */
export class DeviceLostError extends GradcamError {
  constructor(message: string, options?: ErrorOptions) {
    super('device-lost', message, options);
  }
}

/** Something was used after its dispose(). */
export class DisposedError extends GradcamError {
  constructor(message: string, options?: ErrorOptions) {
    super('disposed', message, options);
  }
}

/** What a result kept on the GPU was released. */
export class ReleasedError extends GradcamError {
  constructor(message: string, options?: ErrorOptions) {
    super('released', message, options);
  }
}

/** The caller's AbortSignal stopped the work. */
export class AbortError extends GradcamError {
  constructor(message = 'the work was stopped by its AbortSignal', options?: ErrorOptions) {
    super('aborted', message, options);
    this.name = 'AbortError'; // as the platform's own has it
  }
}

/** Throws AbortError if the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
}

/**
 * What comes of the work, or an AbortError as soon as the signal fires; the work itself goes on. For what may take as long as a
 * network does, and holds nothing that somebody else waits for.
 *
 * @param signal one that nobody has checked yet may be anything
 */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (typeof signal?.addEventListener !== 'function') return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(new AbortError(undefined, { cause: signal.reason }));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** A value as it should appear in a message: short, quoted, with NaN and objects readable. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}…` : value);
  if (typeof value === 'number' || typeof value === 'undefined' || value === null) return String(value);
  if (typeof value === 'bigint') return `${value}n`;
  try {
    const text = JSON.stringify(value);
    return text && text.length <= 80 ? text : `${Object.prototype.toString.call(value)}`;
  } catch {
    return Object.prototype.toString.call(value);
  }
}
