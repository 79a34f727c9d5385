import { type TensorInfo, type WeightsFile, WeightsPiece } from '../../src/weights/source.ts';

/** The file with its tensors decoded to float32, those that `isChanged` names times a factor. */
export function inFloat32(
  file: WeightsFile,
  { factor = 1, isChanged = () => true }: { factor?: number; isChanged?: (tensor: TensorInfo) => boolean } = {},
): WeightsFile {
  const inFile = (tensor: TensorInfo): TensorInfo => ({ ...tensor, encoding: { dtype: 'float32' } });
  return {
    format: file.format,
    origin: file.origin,
    integerTensors: file.integerTensors,
    tensors: new Map([...file.tensors].map(([name, tensor]) => [name, inFile(tensor)])),
    checksum: () => file.checksum(),
    close: () => file.close(),
    async *stream(options) {
      for await (const { tensor, offset, values } of file.stream(options)) {
        const changed = isChanged(tensor) ? values.map((value) => value * factor) : values.slice();
        yield new WeightsPiece(inFile(tensor), offset, new Uint8Array(changed.buffer));
      }
    },
  };
}
