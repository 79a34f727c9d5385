/** What <gradcam-view> has in an engine: its picture and its model. */
import { ImageError } from '../errors.ts';
import type { ImageInput, LoadProgress } from '../index.ts';
import type { Engine, LoadedModel, OpenedPicture } from './engine.ts';
import { Held } from './held.ts';
import type { EngineImage, LoadRequest } from './protocol.ts';

const DEVICE_EVENTS = ['device-lost', 'recovered', 'device-gone'];

export class Holdings {
  readonly picture = new Held<OpenedPicture>();
  readonly model = new Held<LoadedModel>();
  readonly #hear: (event: Event) => void;
  #engine: Engine | undefined;

  /** @param hear is called with the engine's events of its device */
  constructor(hear: (event: Event) => void) {
    this.#hear = hear;
  }

  /** The one that all of it is in. */
  get engine(): Engine | undefined {
    return this.#engine;
  }

  /** Where the page chose another engine, or its one broke down and was started anew, nothing that is held is any good. */
  moveTo(engine: Engine): void {
    if (this.#engine && engine !== this.#engine) this.#drop();
    this.#listenTo(engine);
  }

  free(): void {
    this.#drop();
    this.#listenTo(undefined);
  }

  /**
   * @param opened is called with a picture that has just been opened
   * @throws ImageError, AbortError
   */
  openPicture(
    source: ImageInput | OpenedPicture | string,
    engine: Engine,
    opened: (picture: OpenedPicture) => void,
  ): Promise<OpenedPicture> {
    return this.picture.get(async (signal) => {
      const picture = isOpened(source)
        ? { ...source, release: () => {} }
        : await engine.open(await toSendable(source), { signal });
      if (!signal.aborted) opened(picture);
      return picture;
    });
  }

  /** @throws as Engine.load() */
  loadModel(request: LoadRequest, engine: Engine, onProgress: (progress: LoadProgress) => void): Promise<LoadedModel> {
    return this.model.get((signal) => engine.load(request, { signal, onProgress }));
  }

  #drop(): void {
    this.picture.drop();
    this.model.drop();
  }

  #listenTo(engine: Engine | undefined): void {
    for (const type of DEVICE_EVENTS) {
      this.#engine?.removeEventListener(type, this.#hear);
      engine?.addEventListener(type, this.#hear);
    }
    this.#engine = engine;
  }
}

function isOpened(source: ImageInput | OpenedPicture | string): source is OpenedPicture {
  return typeof source === 'object' && 'preview' in source;
}

/** @throws ImageError for what is no picture */
async function toSendable(source: ImageInput | string): Promise<EngineImage | string> {
  if (typeof source === 'string' || source instanceof Blob || source instanceof ImageBitmap) return source;
  if (typeof source === 'object' && source !== null && 'data' in source) {
    const { data, width, height } = source;
    return { data, width, height };
  }
  try {
    if (source instanceof HTMLImageElement) await source.decode();
    return await createImageBitmap(source);
  } catch (cause) {
    throw new ImageError(`the picture cannot be read: ${(cause as Error).message}`, { cause });
  }
}
