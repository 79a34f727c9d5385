/** Peers in Node: both look for what a browser has, navigator.gpu and WebGPU's globals, when they are loaded. */
import { availableParallelism } from 'node:os';
import { globals } from 'webgpu';
import { describeAdapter } from '../../src/gpu/gpu.ts';
import type { DawnAdapter } from '../../src/node/dawn.ts';
import { napWhileWaiting } from '../../src/node/naps.ts';
import { type Peers, Unmeasured } from '../bench.ts';

/** Loads them on the Dawn instance of an adapter. */
export function dawnPeers({ instance, adapter }: DawnAdapter): Peers {
  /** A peer asks the instance for an adapter of its own, which has to be the one that is measured. */
  const install = async () => {
    const theirs = await instance.requestAdapter({ powerPreference: 'high-performance' });
    if (theirs?.info.description !== adapter.info.description) {
      throw new Unmeasured(`a peer would run on ${theirs?.info.description}, not on ${adapter.info.description}`);
    }
    Object.assign(globalThis, globals);
    Object.defineProperty(globalThis, 'navigator', {
      value: { gpu: nappingGpu(instance), userAgent: 'Node', hardwareConcurrency: availableParallelism() },
      configurable: true,
    });
  };
  return {
    loadTfjs: async () => {
      await install();
      const tf = await import('@tensorflow/tfjs');
      await import('@tensorflow/tfjs-backend-webgpu');
      if (!(await tf.setBackend('webgpu'))) throw new Unmeasured('tfjs-backend-webgpu did not start on this adapter');
      return tf;
    },
    loadJax: async () => {
      await install();
      const jax = await import('@jax-js/jax');
      if (!(await jax.init('webgpu')).includes('webgpu')) throw new Unmeasured('jax-js did not start on this adapter');
      jax.defaultDevice('webgpu');
      return jax;
    },
  };
}

/** Peers wait as the library does: what is compared shall not be who looks less often. */
function nappingGpu(instance: GPU): Pick<GPU, 'requestAdapter' | 'getPreferredCanvasFormat'> {
  return {
    requestAdapter: async (options) => {
      const adapter = await instance.requestAdapter(options);
      if (adapter && describeAdapter(adapter.info).isFallback) napWhileWaiting(adapter);
      return adapter;
    },
    getPreferredCanvasFormat: () => instance.getPreferredCanvasFormat(),
  };
}
