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

  poolTest('keeps a job’s buffers through any amount of drawing, and those for drawing through a job', (pool) => {
    const job = pool.acquire('job', 65_536);
    pool.release(job);
    pool.endRound();
    let shown: GPUBuffer | undefined;
    for (const bytes of [1024, 2048, 4096]) {
      shown = pool.acquire('drawing', bytes);
      pool.release(shown, 'storage', 'display');
      pool.endRound('display');
    }
    // Of the drawing, what one round has left unused is gone.
    expect(pool.currentBytes).toBe(65_536 + 4096);
    expect(pool.acquire('job', 65_536)).toBe(job);
    pool.release(job);
    pool.endRound();
    expect(pool.acquire('drawing', 4096)).toBe(shown);
    pool.release(shown!, 'storage', 'display');
    // Where jobs go on without drawing, they take what it held.
    for (let round = 0; round < 2; round++) {
      pool.release(pool.acquire('job', 65_536));
      pool.endRound();
    }
    expect(pool.currentBytes).toBe(65_536);
  });

  poolTest('refuses a buffer that is not lent', (pool) => {
    const buffer = pool.acquire('sums', 512);
    pool.release(buffer);
    expect(() => pool.release(buffer)).toThrow("buffer 'sums' is not lent: it was released before");
    expect(() => pool.release(pool.create('weights', 512))).toThrow("'weights' is not lent");
    expect(pool.acquire('one', 512)).toBe(buffer);
    expect(pool.acquire('another', 512)).not.toBe(buffer);
  });

  poolTest('destroys what was made from a moment on, lent or given back', (pool) => {
    const kept = pool.acquire('kept', 512);
    const { created } = pool;
    const lent = pool.acquire('lent', 1024);
    const back = pool.acquire('given back', 2048);
    pool.release(back);
    pool.destroyFrom(created);
    expect(pool.currentBytes).toBe(512);
    expect(pool.acquire('new', 2048)).not.toBe(back);
    // Giving back what is gone is no mistake: a job that failed does so.
    pool.release(lent);
    expect(pool.acquire('new', 1024)).not.toBe(lent);
    pool.release(kept);
    expect(pool.acquire('again', 512)).toBe(kept);
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
