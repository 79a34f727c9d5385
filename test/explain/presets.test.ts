/** Every preset against the program that it reproduces. Imports nothing of Node: it serves every runtime. */
import { describe } from 'vitest';
import { explain } from '../../src/explain.ts';
import { presentedMaps } from '../../src/presented-maps.ts';
import { PRESETS, type PresetName } from '../../src/presets.ts';
import { assert, assertClose, assertEqual, assertSameBits } from '../harness/assertions.ts';
import { gpuTest } from '../harness/gpu.ts';
import { loadSmallVgg, noisyPicture, referenceInput, referenceNetwork, smallVgg } from '../network/small-vgg.ts';
import { explain as explainByOracle } from '../reference/explain.ts';
import {
  gradCamPlusPlusPaper,
  official,
  officialPresented,
  paperEquation7,
  pytorchGradCam,
  pytorchGradCamPresented,
  type Seen,
  tfKerasVis,
  tfKerasVisPresented,
  torchCam,
  torchCamPresented,
  torchCamSmooth,
} from '../reference/presets.ts';
import { type Tensor, tensor } from '../reference/tensor.ts';
import { mapTolerance } from './oracle.ts';

/** Its last feature maps are 4 × 4. */
const VGG = smallVgg({ name: 'vgg11', inputSize: 64, seed: 11 });
const PICTURE = noisyPicture(1, 48, 40);
/** With this seed no cell lies close to a pole of any α, which would magnify rounding errors. */
const SEED = 4;

const PROGRAMS: Readonly<Record<PresetName, (seen: Seen, nSamples: number) => Tensor>> = {
  'paper-eq7': paperEquation7,
  'grad-cam++': gradCamPlusPlusPaper,
  official,
  'torch-cam': (seen, nSamples) => (nSamples === 0 ? torchCam(seen) : torchCamSmooth(seen)),
  'pytorch-grad-cam': pytorchGradCam,
  'tf-keras-vis': tfKerasVis,
};

type Size = readonly [height: number, width: number];

/** Those that have a size of their own. */
const PRESENTED = {
  official: officialPresented,
  'pytorch-grad-cam': pytorchGradCamPresented,
  'tf-keras-vis': tfKerasVisPresented,
} as const;

/** torch-cam brings its own σ, the others have none. */
const noiseOf = (preset: PresetName) => (preset === 'torch-cam' ? {} : { stdDev: 0.1 });

const NETWORK = referenceNetwork(VGG);
const INPUT = referenceInput(VGG, 'torchvision', PICTURE);
const passes = new Map<string, Seen>();

/** The presets but torch-cam see the same: the oracle's passes are made once. */
function seenBy(preset: PresetName, nSamples: number, layerName: string): Seen {
  const noise = preset === 'torch-cam' ? ({ stdDev: 0.3, noiseScale: 'absolute' } as const) : noiseOf(preset);
  const options = { method: 'grad-cam', layerName, nSamples, seed: SEED, ...(nSamples > 0 && noise) } as const;
  const key = JSON.stringify(options);
  const known = passes.get(key);
  if (known) return known;
  const { gradients, activations, logits, classIndex } = explainByOracle(NETWORK, INPUT, options);
  const lastActivations =
    nSamples === 0 ? activations : explainByOracle(NETWORK, INPUT, { ...options, activations: 'last' }).activations;
  const made = { gradients, score: logits.data[classIndex]!, activations, lastActivations };
  passes.set(key, made);
  return made;
}

const byMaximum = (values: ArrayLike<number>) => {
  const largest = Math.max(...Array.from(values));
  return Array.from(values, (value) => value / largest);
};

describe('a preset makes the map of its program, but for a factor', () => {
  for (const preset of PRESETS) {
    gpuTest(preset, async (gpu) => {
      using model = await loadSmallVgg(gpu, VGG);
      for (const layerName of ['block5_conv2', 'block4_conv1']) {
        for (const nSamples of [0, 3]) {
          const expected = PROGRAMS[preset](seenBy(preset, nSamples, layerName), nSamples);
          const result = await explain(model, PICTURE, { preset, layerName, nSamples, seed: SEED, ...noiseOf(preset) });
          assertEqual(result.outcome, 'ok', `outcome at ${layerName} with n = ${nSamples}`);
          assert(Math.max(...expected.data) > 0, 'the expected map must not be empty');
          assertClose(byMaximum(result.map.data), byMaximum(expected.data), {
            what: `map at ${layerName} with n = ${nSamples}`,
            tolerance: mapTolerance(model),
            shape: expected.shape,
          });
        }
      }
    });
  }

  gpuTest('and brings it to 0 … 1 and to a size as its program does', async (gpu) => {
    using model = await loadSmallVgg(gpu, VGG);
    const sizes = [
      [64, 64],
      [19, 30],
      [4, 5],
    ] as const;
    for (const [preset, present] of Object.entries(PRESENTED) as [PresetName, (map: Tensor, size: Size) => Tensor][]) {
      const result = await explain(model, PICTURE, { preset, layerName: 'block5_conv2' });
      const map = tensor([4, 4], result.map.data);
      for (const size of sizes) {
        const [height, width] = size;
        const { data, shape } = presentedMaps(result, { height, width });
        assertEqual(shape, [1, ...size]);
        assertClose(data, present(map, size).data, { what: `${preset} at ${size}`, shape: size, tolerance: 1e-5 });
      }
    }
    const result = await explain(model, PICTURE, { preset: 'torch-cam', layerName: 'block5_conv2' });
    const expected = torchCamPresented(tensor([4, 4], result.map.data));
    assertClose(presentedMaps(result).data, expected.data, { what: 'torch-cam', tolerance: 1e-5 });
    assertEqual(Math.max(...presentedMaps(result).data), 1);
  });

  gpuTest('whatever the batches', async (gpu) => {
    using model = await loadSmallVgg(gpu, VGG);
    const options = { preset: 'torch-cam', nSamples: 4, seed: SEED } as const;
    const whole = await explain(model, PICTURE, options);
    const split = await explain(model, PICTURE, { ...options, batch: 1, kernels: whole.provenance.kernels });
    assertSameBits(split.map.data, whole.map.data, { what: 'the map' });
  });
});
