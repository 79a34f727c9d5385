/** Maps at other sizes, against the float64 enlargement. */
import { describe } from 'vitest';
import { OptionError } from '../../src/errors.ts';
import { explain } from '../../src/explain.ts';
import { assertClose, assertEqual, assertRejects } from '../harness/assertions.ts';
import { gpuTest } from '../harness/gpu.ts';
import { loadSmallVgg, noisyPicture, smallVgg } from '../network/small-vgg.ts';
import { tensor } from '../reference/tensor.ts';
import { upsample } from '../reference/upsample.ts';

const VGG = smallVgg({ name: 'vgg11', inputSize: 64, seed: 11 });
const PICTURE = noisyPicture(1, 48, 40);

describe('upsample', () => {
  gpuTest('enlarges every map, by default to the size of the model’s input', async (gpu) => {
    using model = await loadSmallVgg(gpu, VGG, 'keras');
    const result = await explain(model, PICTURE, { filters: [0, 2], method: 'grad-cam' });
    const reference = tensor([...result.map.shape]);
    reference.data.set(result.map.data);
    for (const size of [undefined, { height: 40, width: 48 }, { height: 1, width: 3 }]) {
      const enlarged = await result.upsample(size);
      const { height, width } = size ?? { height: 64, width: 64 };
      assertEqual(enlarged.shape, [2, height, width], 'shape');
      assertClose(enlarged.data, upsample(reference, [height, width]).data, {
        what: 'enlarged',
        shape: [2, height, width],
      });
    }
  });

  gpuTest('refuses a size that is none', async (gpu) => {
    using model = await loadSmallVgg(gpu, VGG, 'keras');
    const result = await explain(model, PICTURE);
    await assertRejects(() => result.upsample({ height: 0, width: 3 }), OptionError, /height: got 0/);
    await assertRejects(() => result.upsample({ height: 3, width: 1.5 }), OptionError, /width: got 1\.5/);
  });
});
