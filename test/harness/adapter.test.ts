/** Whether the runtime gives the tests what they rely on: an adapter, exact numbers through a kernel, and error scopes. */
import { describe, it } from 'vitest';
import { runtime, testAdapter, withErrorScopes } from './adapter.ts';
import { AssertionError, assertClose, assertEqual, assertRejects, assertSameBits } from './assertions.ts';

const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = { MAP_READ: 0x1, COPY_SRC: 0x4, COPY_DST: 0x8, STORAGE: 0x80 };

const SCALE_KERNEL = /* wgsl */ `
@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read_write> scaled: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&source)) { scaled[id.x] = 2.0 * source[id.x]; }
}`;

describe(`WebGPU in this ${runtime}`, () => {
  it('runs a compute kernel over a length that is no multiple of the workgroup', async () => {
    const device = await (await testAdapter()).requestDevice();
    const values = Float32Array.from({ length: 131 }, (_, i) => (i - 65) / 3);
    const scaled = await withErrorScopes(device, () => runScaleKernel(device, values));
    assertSameBits(
      scaled,
      values.map((value) => 2 * value),
    );
    device.destroy();
  });

  it('keeps NaN and infinities in buffers', async () => {
    const device = await (await testAdapter()).requestDevice();
    const values = Float32Array.of(Number.NaN, Infinity, -Infinity, 1);
    const source = device.createBuffer({ size: 16, usage: STORAGE | COPY_SRC | COPY_DST });
    device.queue.writeBuffer(source, 0, values);
    assertClose(await readBack(device, source), values);
    device.destroy();
  });

  it('turns a refused command into a failure', async () => {
    const device = await (await testAdapter()).requestDevice();
    const refused = async () => {
      device.createBuffer({ size: 4, usage: MAP_READ | STORAGE });
    };
    await assertRejects(() => withErrorScopes(device, refused), AssertionError, /unexpected WebGPU errors/);
    assertEqual(await withErrorScopes(device, async () => 'fine'), 'fine');
    device.destroy();
  });
});

async function runScaleKernel(device: GPUDevice, values: Float32Array<ArrayBuffer>): Promise<Float32Array> {
  const module = device.createShaderModule({ code: SCALE_KERNEL });
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module } });
  const source = device.createBuffer({ size: values.byteLength, usage: STORAGE | COPY_DST });
  const scaled = device.createBuffer({ size: values.byteLength, usage: STORAGE | COPY_SRC });
  device.queue.writeBuffer(source, 0, values);
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [source, scaled].map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  const commands = device.createCommandEncoder();
  const pass = commands.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(Math.ceil(values.length / 64));
  pass.end();
  device.queue.submit([commands.finish()]);
  return readBack(device, scaled);
}

async function readBack(device: GPUDevice, buffer: GPUBuffer): Promise<Float32Array> {
  const staging = device.createBuffer({ size: buffer.size, usage: MAP_READ | COPY_DST });
  const commands = device.createCommandEncoder();
  commands.copyBufferToBuffer(buffer, 0, staging, 0, buffer.size);
  device.queue.submit([commands.finish()]);
  await staging.mapAsync(1 /* GPUMapMode.READ */);
  return new Float32Array(staging.getMappedRange().slice(0));
}
