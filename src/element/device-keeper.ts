/** The worker's one device: asked for when it is first needed, and anew when it is lost. */
import { DeviceLostError } from '../errors.ts';
import { Gpu } from '../index.ts';
import type { DeviceOptions, DeviceState, EngineEvent } from './protocol.ts';

/** A driver that was reset, or a GPU process that fell, takes a while to be there again. */
const PAUSES_MS = [0, 500, 2000];

type DeviceEvent = Extract<EngineEvent, { type: 'device-lost' | 'recovered' | 'device-gone' }>;

export class DeviceKeeper {
  readonly #options: Omit<DeviceOptions, 'maxPicturePixels'>;
  readonly #restore: (gpu: Gpu) => Promise<void>;
  readonly #tell: (event: DeviceEvent) => void;
  #gpu: Promise<Gpu> | undefined;

  /**
   * @param restore puts onto a new device what the lost one had, in front of whoever waits for it
   * @param tell is called when the device is lost, and when there is a new one or there will be none
   */
  constructor(
    options: Omit<DeviceOptions, 'maxPicturePixels'>,
    restore: (gpu: Gpu) => Promise<void>,
    tell: (event: DeviceEvent) => void,
  ) {
    this.#options = options;
    this.#restore = restore;
    this.#tell = tell;
  }

  /**
   * The device; while a lost one is being replaced, the new one.
   *
   * @throws GpuUnavailableError, DeviceLostError where it did not come back; the next call tries again
   */
  get(): Promise<Gpu> {
    this.#gpu ??= this.#keep(Gpu.request(this.#options));
    return this.#gpu;
  }

  /** Bytes of the buffers on the device, if there is one. */
  async bytes(): Promise<number> {
    const gpu = await this.#gpu?.catch(() => undefined);
    return gpu?.memory.currentBytes ?? 0;
  }

  /** A failure is not kept. */
  #keep(asked: Promise<Gpu>): Promise<Gpu> {
    const kept = asked.then((gpu) => {
      gpu.device.lost.then(({ message, reason }) => {
        gpu.dispose();
        this.#gpu = this.#keep(this.#recover(message || reason));
        this.#gpu.catch(() => {}); // whoever needs it asks again
      });
      return gpu;
    });
    kept.catch(() => {
      this.#gpu = undefined;
    });
    return kept;
  }

  async #recover(reason: string): Promise<Gpu> {
    this.#tell({ type: 'device-lost', reason });
    let failure: unknown;
    for (const pause of PAUSES_MS) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      try {
        const gpu = await Gpu.request(this.#options);
        await this.#restore(gpu);
        this.#tell({ type: 'recovered', state: stateOf(gpu) });
        return gpu;
      } catch (cause) {
        failure = cause;
      }
    }
    const why = failure instanceof Error ? failure.message : String(failure);
    this.#tell({ type: 'device-gone', reason: why });
    throw new DeviceLostError(`the GPU device was lost (${reason}) and no new one could be had: ${why}`, {
      cause: failure,
    });
  }
}

export function stateOf({ adapterInfo: adapter, limits }: Gpu): DeviceState {
  const names = Object.keys(Object.getPrototypeOf(limits)) as (keyof GPUSupportedLimits & string)[];
  return { adapter, limits: Object.fromEntries(names.map((name) => [name, Number(limits[name])])) };
}
