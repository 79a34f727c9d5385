import { describe, expect } from 'vitest';
import { LimitError } from '../../src/errors.ts';
import { BufferPool } from '../../src/gpu/buffers.ts';
import { gpuTest } from '../harness/gpu.ts';

/** A test with a pool of its own. */
function poolTest(name: string, work: (pool: BufferPool, device: GPUDevice) => void): void {
  gpuTest(name, async ({ device }) => {
    const pool = new BufferPool(device);
    work(pool, device);
    pool.dispose();
  });
}

describe('BufferPool', () => {
  poolTest('counts what exists, and the most that ever did', (pool) => {
    const a = pool.create('a', 1000);
    const b = pool.create('b', 1);
    expect([a.size, b.size, a.label, b.label]).toEqual([1024, 256, 'a', 'b']);
    expect(pool.currentBytes).toBe(1280);
    pool.destroy(a);
    expect([pool.currentBytes, pool.peakBytes]).toEqual([256, 1280]);
    // A second time counts for nothing.
    pool.destroy(a);
    expect(pool.currentBytes).toBe(256);
    pool.resetPeak();
    expect(pool.peakBytes).toBe(256);
    pool.create('c', 512);
    expect(pool.peakBytes).toBe(768);
  });

  poolTest('lends a released buffer again if it is large enough and not much too large', (pool) => {
    const released = pool.acquire('first', 4096);
    pool.release(released);
    expect(pool.currentBytes).toBe(4096);
    // Under four fifths of it: waste, so another one.
    const small = pool.acquire('small', 3072);
    expect(small).not.toBe(released);
    const large = pool.acquire('large', 4097);
    expect(large).not.toBe(released);
    const again = pool.acquire('second', 3840);
    expect(again).toBe(released);
    expect(again.label).toBe('second');
    // Lent out: not for anybody else.
    expect(pool.acquire('third', 4096)).not.toBe(released);
  });

  poolTest('lends the tightest fit', (pool) => {
    const [larger, smaller] = [pool.acquire('larger', 4864), pool.acquire('smaller', 4352)];
    pool.release(larger);
    pool.release(smaller);
    expect(pool.acquire('again', 4096)).toBe(smaller);
    expect(pool.acquire('again', 4096)).toBe(larger);
  });

  poolTest('keeps buffers of different use apart', (pool) => {
    const staging = pool.acquire('staging', 256, 'readback');
    pool.release(staging, 'readback');
    expect(pool.acquire('storage', 256)).not.toBe(staging);
    expect(pool.acquire('uniform', 256, 'uniform')).not.toBe(staging);
    expect(pool.acquire('staging', 256, 'readback')).toBe(staging);
  });

  poolTest('destroys what two rounds have left unused', (pool) => {
    const kept = pool.acquire('kept', 256);
    const idle = pool.acquire('idle', 65_536);
    pool.release(kept);
    pool.release(idle);
    pool.endRound();
    expect(pool.acquire('kept', 256)).toBe(kept);
    pool.release(kept);
    expect(pool.currentBytes).toBe(256 + 65_536);
    pool.endRound();
    expect(pool.currentBytes).toBe(256);
    expect(pool.acquire('kept', 256)).toBe(kept);
    // What is lent out survives any number of rounds.
    for (let round = 0; round < 3; round++) pool.endRound();
    expect(pool.currentBytes).toBe(256);
  });

  poolTest('does not lend what was destroyed', (pool) => {
    const destroyed = pool.acquire('destroyed', 512);
    pool.destroy(destroyed);
    pool.release(destroyed);
    expect(pool.acquire('new', 512)).not.toBe(destroyed);
    expect(pool.currentBytes).toBe(512);
  });

  poolTest('names the limit that a buffer exceeds', (pool, device) => {
    const { maxBufferSize } = device.limits;
    const needed = BufferPool.roundUp(maxBufferSize + 1);
    try {
      pool.create('weights of fc1', maxBufferSize + 1);
      throw new Error('the buffer was made');
    } catch (error) {
      expect(error).toBeInstanceOf(LimitError);
      expect(error).toMatchObject({ limit: 'maxBufferSize', needed, available: maxBufferSize });
      expect((error as Error).message).toMatch(/buffer 'weights of fc1': needs maxBufferSize/);
    }
    expect(pool.currentBytes).toBe(0);
  });

  poolTest('frees all at the end', (pool) => {
    pool.release(pool.acquire('released', 256));
    pool.acquire('lent', 1024);
    pool.create('own', 1024);
    pool.dispose();
    expect(pool.currentBytes).toBe(0);
  });
});
