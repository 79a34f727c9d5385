/** Errors on their way out of the worker: they keep their class, their code and what they know. */
import { transferHandlers } from 'comlink';
import {
  AbortError,
  DeviceLostError,
  DisposedError,
  GpuUnavailableError,
  GradcamError,
  ImageError,
  LimitError,
  LoadError,
  OptionError,
  OverflowError,
  ReleasedError,
  ShaderError,
  WeightsError,
} from '../errors.ts';

/** The engine's worker did not start, or broke down. */
export class EngineError extends GradcamError {
  constructor(message: string, options?: ErrorOptions) {
    super('engine', message, options);
  }
}

/** By code: names of classes do not survive a minifier. */
const CLASSES: Readonly<Record<string, { readonly prototype: GradcamError }>> = {
  'gpu-unavailable': GpuUnavailableError,
  limit: LimitError,
  weights: WeightsError,
  option: OptionError,
  image: ImageError,
  overflow: OverflowError,
  shader: ShaderError,
  load: LoadError,
  'device-lost': DeviceLostError,
  disposed: DisposedError,
  released: ReleasedError,
  aborted: AbortError,
  engine: EngineError,
};

/** An error of the library as plain values. */
export interface ErrorRecord {
  readonly code: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** What else it knows, such as the option and its value; what cannot be sent is left out. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export function recordOf(error: GradcamError): ErrorRecord {
  const { code, message, stack } = error;
  const fields = Object.entries({ ...error, cause: error.cause }).filter(([, value]) => canBeSent(value));
  return { code, message, stack, fields: Object.fromEntries(fields) };
}

export function errorOf({ code, message, stack, fields }: ErrorRecord): GradcamError {
  const error = new GradcamError(code, message);
  // The constructors make the message of its parts; here it is made already.
  if (Object.hasOwn(CLASSES, code)) Object.setPrototypeOf(error, CLASSES[code].prototype);
  return Object.assign(error, fields, stack === undefined ? {} : { stack });
}

function canBeSent(value: unknown): boolean {
  if (value === undefined) return false;
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}

/** Comlink's own handler makes a plain Error of every error: this one goes in its place, on both sides. */
export function sendErrorsWhole(): void {
  const usual = transferHandlers.get('throw')!;
  transferHandlers.set('throw', {
    canHandle: usual.canHandle,
    serialize: (thrown) => {
      const { value } = thrown as { value: unknown };
      return value instanceof GradcamError ? [{ error: recordOf(value) }, []] : usual.serialize(thrown);
    },
    deserialize: (sent) => {
      if (typeof sent === 'object' && sent !== null && 'error' in sent) throw errorOf(sent.error as ErrorRecord);
      return usual.deserialize(sent);
    },
  });
}
