/**
 * Waiting for a software adapter without taking the cores that it computes on.
 *
 * Dawn's binding for Node looks for finished work in every turn of the event loop, which then turns as fast as it can: of two
 * cores it takes almost one, and the locks that the adapter's own threads need. Naps between the turns leave both to them.
 */

/** Of the time waited so far, what a nap takes: as little longer does a wait become. */
const NAP_SHARE = 1 / 16;
/** Whatever else the program does meanwhile waits for the end of a nap. */
const MOST_NAP_MS = 1;

/** Makes this process sleep between looks whenever it waits for work of the adapter's devices, or for a buffer of them. */
export function napWhileWaiting(adapter: GPUAdapter): void {
  const requestDevice = adapter.requestDevice.bind(adapter);
  adapter.requestDevice = async (descriptor) => {
    const device = await requestDevice(descriptor);
    addNaps(device);
    return device;
  };
}

function addNaps(device: GPUDevice): void {
  const { queue } = device;
  const naps = new Naps();
  const onSubmittedWorkDone = queue.onSubmittedWorkDone.bind(queue);
  queue.onSubmittedWorkDone = () => naps.during(onSubmittedWorkDone());
  const createBuffer = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = createBuffer(descriptor);
    const mapAsync = buffer.mapAsync.bind(buffer);
    buffer.mapAsync = (...range) => naps.during(mapAsync(...range));
    return buffer;
  };
}

class Naps {
  readonly #cell = new Int32Array(new SharedArrayBuffer(4));
  #waits = 0;
  #since = 0;
  #isTurning = false;

  /** Naps until the promise is settled. */
  during<T>(promise: Promise<T>): Promise<T> {
    this.#since = performance.now();
    this.#waits++;
    if (!this.#isTurning) {
      this.#isTurning = true;
      setImmediate(this.#turn);
    }
    return promise.finally(() => this.#waits--);
  }

  readonly #turn = () => {
    this.#isTurning = this.#waits > 0;
    if (!this.#isTurning) return;
    const waited = performance.now() - this.#since;
    Atomics.wait(this.#cell, 0, 0, Math.min(MOST_NAP_MS, waited * NAP_SHARE));
    setImmediate(this.#turn);
  };
}
