import { setTimeout as later } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { napWhileWaiting } from '../../src/node/naps.ts';

/** A device whose work takes `ms`; `map` is how a buffer becomes readable. */
async function nappingDevice(ms: number, map = () => later(ms)): Promise<GPUDevice> {
  const device = { queue: { onSubmittedWorkDone: () => later(ms) }, createBuffer: () => ({ mapAsync: map }) };
  const adapter = { requestDevice: async () => device } as unknown as GPUAdapter;
  napWhileWaiting(adapter);
  return adapter.requestDevice();
}

/** CPU time that this process takes while an event loop turns as fast as it can, as Dawn makes it turn. */
async function cpuMsOf(wait: () => Promise<unknown>): Promise<number> {
  let isWaiting = true;
  const poll = () => {
    if (isWaiting) setImmediate(poll);
  };
  poll();
  const before = process.cpuUsage();
  await wait();
  const { user, system } = process.cpuUsage(before);
  isWaiting = false;
  return (user + system) / 1000;
}

describe('napWhileWaiting', () => {
  it('leaves most of the time to others while work is waited for, or a buffer', async () => {
    const device = await nappingDevice(200);
    const buffer = device.createBuffer({ size: 4, usage: 1 });
    const polling = await cpuMsOf(() => later(200));
    expect(await cpuMsOf(() => device.queue.onSubmittedWorkDone())).toBeLessThan(polling / 3);
    expect(await cpuMsOf(() => buffer.mapAsync(1))).toBeLessThan(polling / 3);
  });

  it('ends with the last wait, also where several overlap and some fail', async () => {
    const device = await nappingDevice(10, () => Promise.reject(new Error('lost')));
    const waits = [device.queue.onSubmittedWorkDone(), device.queue.onSubmittedWorkDone()];
    await expect(device.createBuffer({ size: 4, usage: 1 }).mapAsync(1)).rejects.toThrow('lost');
    await Promise.all(waits);
    const started = performance.now();
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(performance.now() - started).toBeLessThan(100);
  });
});
