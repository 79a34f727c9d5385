/** The models that can be named, and where their weights are published. */
import { OptionError } from '../errors.ts';
import type { NetworkTable } from './graph.ts';
import { VGG_NAMES, type VggName, type VggOptions, vgg } from './vgg.ts';

export type ModelName = VggName | `${VggName}-bn`;

export interface ModelSource {
  readonly url: string;
  readonly format: 'safetensors' | 'tfjs-layers';
  /** 'sha256-<hex>', where known. */
  readonly checksum?: string;
  readonly note: string;
}

export interface KnownModel {
  readonly name: ModelName;
  readonly title: string;
  /** Weights and biases at full width with 1000 classes, batch normalisation not counted. */
  readonly parameters: number;
  /** Size of float32 weights. */
  readonly bytes: number;
  /** The first is the default. */
  readonly sources: readonly ModelSource[];
  table(options?: Omit<VggOptions, 'batchNorm'>): NetworkTable;
}

const PARAMETERS: Record<VggName, number> = {
  vgg11: 132_863_336,
  vgg13: 133_047_848,
  vgg16: 138_357_544,
  vgg19: 143_667_240,
};

export const MODELS: readonly KnownModel[] = VGG_NAMES.flatMap((name) =>
  [false, true].map((batchNorm): KnownModel => {
    const depth = name.slice('vgg'.length);
    const hubName = `${name}${batchNorm ? '_bn' : ''}.tv_in1k`;
    return {
      name: batchNorm ? `${name}-bn` : name,
      title: `VGG-${depth}${batchNorm ? ' with batch normalisation' : ''}, ImageNet, 1000 classes`,
      parameters: PARAMETERS[name],
      bytes: PARAMETERS[name] * 4,
      sources: [
        {
          url: `https://huggingface.co/timm/${hubName}/resolve/main/model.safetensors`,
          format: 'safetensors',
          note: "torchvision's weights in timm's layout, float32",
        },
      ],
      table: (options) => vgg(name, { ...options, batchNorm }),
    };
  }),
);

/** @throws OptionError listing the models. */
export function findModel(name: string): KnownModel {
  const model = MODELS.find((known) => known.name === name);
  if (!model) throw new OptionError('model', name, MODELS.map((known) => known.name).join(', '));
  return model;
}
