/** Whether the buffers around an op notice what they are there for. */
import { copySample } from '../../src/ops/sample-mean.ts';
import { AssertionError, assertClose, assertRejects, assertSameBits } from './assertions.ts';
import { gpuTest } from './gpu.ts';
import { OpBench, opTest } from './op.ts';

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

gpuTest('notices a write behind the last element, whatever was written', async (gpu) => {
  const op = new OpBench(gpu);
  const total = op.output(VALUES.length - 1);
  const x = op.input(VALUES);
  await op.checkGuards();
  await op.run(copySample(VALUES.length, 0, { x, total }));
  await assertRejects(() => op.checkGuards(), AssertionError, /wrote element 4 of a tensor of 4/);
  op.dispose();
  const guardOverGuard = new OpBench(gpu);
  await guardOverGuard.run(
    copySample(3, 0, { x: guardOverGuard.input(Float32Array.of(1, 2)), total: guardOverGuard.output(2) }),
  );
  await assertRejects(() => guardOverGuard.checkGuards(), AssertionError, /wrote element 2 of a tensor of 2/);
  guardOverGuard.dispose();
});

opTest('shows a read behind the last element as NaN', async (op) => {
  const total = op.output(1);
  await op.run(copySample(1, 1, { x: op.input(Float32Array.of(3)), total }));
  assertClose(await op.floats(total), [Number.NaN]);
});
