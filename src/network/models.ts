/** The models that can be named, and where their weights are published. */
import { OptionError } from '../errors.ts';
import { SCENE_CLASSES } from '../scenes/scene.ts';
import type { NetworkTable } from './graph.ts';
import { VGG_NAMES, type VggName, type VggOptions, vgg } from './vgg.ts';

export type ModelName = VggName | `${VggName}-bn` | typeof BUILT_IN_MODEL;

/** The model whose weights are in the package. */
export const BUILT_IN_MODEL = 'vgg16-scenes';

/** What tells a network from the published one of its name; absent is as published. */
export interface ModelVariant {
  /** Multiplies the channels of every hidden layer; above 0 and up to 4. */
  readonly width?: number;
  readonly classes?: number;
  /** Side of the square input, a multiple of 32. */
  readonly inputSize?: number;
}

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
  readonly classes: number;
  /** Names of the classes, where the library knows them. */
  readonly labels?: readonly string[];
  /** Weights and biases, batch normalisation not counted. */
  readonly parameters: number;
  /** Size of the weights on the GPU, float32. */
  readonly bytes: number;
  /** The first is the default. */
  readonly sources: readonly ModelSource[];
  /** The published network; `options` change what they name. See modelTable, which checks them. */
  table(options?: Omit<VggOptions, 'batchNorm'>): NetworkTable;
}

const PARAMETERS: Record<VggName, number> = {
  vgg11: 132_863_336,
  vgg13: 133_047_848,
  vgg16: 138_357_544,
  vgg19: 143_667_240,
};

const SCENES_PARAMETERS = 650_164;

/**
 * VGG-16's layers at an eighth of the channels and with 128 hidden units, trained on the scenes of src/scenes. The file lies
 * as many folders up from dist/chunks as it does from here. A bundler that does not follow it can import
 * 'gradcam-webgpu/models/vgg16-scenes.safetensors' as a URL, which then goes to the option `weights`.
 */
const SCENES_MODEL: KnownModel = {
  name: BUILT_IN_MODEL,
  title: 'VGG-16 at an eighth of the width, drawn scenes, 12 classes; built in',
  classes: SCENE_CLASSES.length,
  labels: SCENE_CLASSES,
  parameters: SCENES_PARAMETERS,
  bytes: SCENES_PARAMETERS * 4,
  sources: [
    {
      url: new URL(/* @vite-ignore */ `../../models/${BUILT_IN_MODEL}.safetensors`, import.meta.url).href,
      format: 'safetensors',
      checksum: 'sha256-02ef24c2a35889fd1d5b7e550781a3713b725e9b73f155b1f5252d4087b31235',
      note: "in the package, float16, torchvision's names",
    },
  ],
  table: ({ width = 1 / 8, hiddenUnits = 128, classes = SCENE_CLASSES.length, inputSize } = {}) => ({
    ...vgg('vgg16', { width, hiddenUnits, classes, inputSize }),
    name: BUILT_IN_MODEL,
  }),
};

const IMAGENET_MODELS: readonly KnownModel[] = VGG_NAMES.flatMap((name) =>
  [false, true].map((batchNorm): KnownModel => {
    const depth = name.slice('vgg'.length);
    const hubName = `${name}${batchNorm ? '_bn' : ''}.tv_in1k`;
    return {
      name: batchNorm ? `${name}-bn` : name,
      title: `VGG-${depth}${batchNorm ? ' with batch normalisation' : ''}, ImageNet, 1000 classes`,
      classes: 1000,
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

export const MODELS: readonly KnownModel[] = [SCENES_MODEL, ...IMAGENET_MODELS];

/**
 * The network of a known model.
 *
 * @throws OptionError for a size that no network has.
 */
export function modelTable(known: KnownModel, { width, classes, inputSize }: ModelVariant = {}): NetworkTable {
  if (width !== undefined && !(width > 0 && width <= 4)) {
    throw new OptionError('width', width, 'a number above 0 and up to 4');
  }
  if (classes !== undefined && (!Number.isInteger(classes) || classes < 1)) {
    throw new OptionError('classes', classes, 'a whole number above 0');
  }
  if (inputSize !== undefined && (!Number.isInteger(inputSize) || inputSize < 32 || inputSize % 32 !== 0)) {
    throw new OptionError('inputSize', inputSize, 'a multiple of 32');
  }
  return known.table({ width, classes, inputSize });
}

/** @throws OptionError listing the models. */
export function findModel(name: string): KnownModel {
  const model = MODELS.find((known) => known.name === name);
  if (!model) throw new OptionError('model', name, MODELS.map((known) => known.name).join(', '));
  return model;
}
