/** Whether the buffers around an op notice what they are there for. */
import { copySample } from '../../src/ops/sample-mean.ts';
import { AssertionError, assertClose, assertRejects, assertSameBits } from './assertions.ts';
import { opTest } from './op.ts';

const VALUES = Float32Array.of(1, Number.NaN, 0, Infinity, 5);

opTest('gives back what went in, and what an op made of it', async (op) => {
  const total = op.output(VALUES.length);
  const x = op.input(VALUES);
  await op.run(copySample(VALUES.length, 0, { x, total }));
  assertSameBits(await op.floats(x), VALUES);
  assertSameBits(await op.floats(total), VALUES);
});

opTest('notices an element that nothing was written to', async (op) => {
  const total = op.output(VALUES.length + 1);
  await op.run(copySample(VALUES.length, 0, { x: op.input(VALUES), total }));
  await assertRejects(() => op.floats(total), AssertionError, /left element 5 of 6 unwritten/);
});

opTest('notices a write behind the last element', async (op) => {
  const total = op.output(VALUES.length - 1);
  await op.run(copySample(VALUES.length, 0, { x: op.input(VALUES), total }));
  await assertRejects(() => op.floats(total), AssertionError, /wrote element 4 of a tensor of 4/);
});

opTest('shows a read behind the last element as NaN', async (op) => {
  const total = op.output(2);
  await op.run(copySample(1, 0, { x: op.input(Float32Array.of(3)), total: { ...total, size: 4 } }));
  await op.run(copySample(1, 1, { x: op.input(Float32Array.of(3)), total }));
  await assertRejects(() => op.floats(total), AssertionError, /unwritten/);
  assertClose(new Float32Array((await op.gpu.read([total]))[0]!).subarray(0, 1), [Number.NaN]);
});
