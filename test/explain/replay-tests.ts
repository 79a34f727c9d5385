/** Maps that Dawn made, made again from their records in another runtime. Imports nothing of Node. */
import { describe } from 'vitest';
import { explain } from '../../src/explain.ts';
import { assert, assertEqual } from '../harness/assertions.ts';
import { gpuTest } from '../harness/gpu.ts';
import { loadSmallVgg } from '../network/small-vgg.ts';
import { type MapRecord, PICTURE, VGG } from './map-records.ts';

/** Difference, as a share of the greatest value, that another runtime may make. */
const TOLERANCE = 1e-6;

/** JSON of MapRecords, put in by the test that bundles this file. */
declare const RECORDS: string;
const records: readonly MapRecord[] = JSON.parse(RECORDS);

describe('a map of Dawn, made again', () => {
  for (const { map, provenance } of records) {
    const { options, kernels, classIndex } = provenance;
    gpuTest(`${options.method} at ${options.layerName}, ${kernels.block5_conv3!.forward} kernels`, async (gpu) => {
      using model = await loadSmallVgg(gpu, VGG);
      const again = await explain(model, PICTURE, { ...options, classIndex, kernels });
      assertEqual(again.provenance.picture, provenance.picture, 'picture');
      assertEqual(again.provenance.weights.checksum, provenance.weights.checksum, 'weights');
      assertEqual(again.provenance.kernels, kernels, 'kernels');
      assertEqual(again.map.shape, provenance.map.shape, 'shape');
      const greatest = Math.max(...map);
      assert(greatest > 0, 'the recorded map is empty');
      const differences = again.map.data.map((value, i) => Math.abs(value - map[i]!) / greatest);
      const difference = Math.max(...differences);
      assert(difference <= TOLERANCE, `the maps differ by ${difference} of the greatest value`);
    });
  }
});
