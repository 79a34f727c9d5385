/** The models that can be named, and where their weights are published. */
import { OptionError } from '../errors.ts';
import { SCENE_CLASSES } from '../scenes/classes.ts';
import type { NetworkTable } from './graph.ts';
import { VGG_NAMES, type VggName, type VggOptions, vgg } from './vgg.ts';

type VggVariant = VggName | `${VggName}-bn`;

/** One of MODELS by its name. */
export type ModelName = VggVariant | `${VggVariant}-avg` | 'vgg16-gap' | typeof BUILT_IN_MODEL;

/** The model whose weights are in the package. */
export const BUILT_IN_MODEL = 'vgg16-scenes';

/** What tells a network from the published one of its name; absent is as published. */
export interface ModelVariant {
  /** Multiplies the channels of every hidden layer; above 0 and up to 4. */
  readonly width?: number;
  /** How many classes there are, at least 1. */
  readonly classes?: number;
  /** Side of the square input, a multiple of 32. */
  readonly inputSize?: number;
}

/** Where weights are published. */
export interface ModelSource {
  /** Of the .safetensors file or the model.json. */
  readonly url: string;
  /** Of the file. */
  readonly format: 'safetensors' | 'tfjs-layers';
  /** 'sha256-<hex>', where known. */
  readonly checksum?: string;
  /** Whose weights they are, for people. */
  readonly note: string;
}

/** A network that can be named. */
export interface KnownModel {
  /** As loadModel takes it. */
  readonly name: ModelName;
  /** For people. */
  readonly title: string;
  /** How many classes the published network has. */
  readonly classes: number;
  /** Names of the classes, where the library knows them. */
  readonly labels?: readonly string[];
  /** Weights and biases, batch normalisation not counted. */
  readonly parameters: number;
  /** Size of the weights on the GPU, float32. */
  readonly bytes: number;
  /** The first is the default; none where no weights are published that could be read here. */
  readonly sources: readonly ModelSource[];
  /**
   * The published network; `options` change what they name. See modelTable, which checks them.
   *
   * @internal
   */
  table(options?: Omit<VggOptions, 'batchNorm' | 'head'>): NetworkTable;
}

const PARAMETERS: Record<VggName, number> = {
  vgg11: 132_863_336,
  vgg13: 133_047_848,
  vgg16: 138_357_544,
  vgg19: 143_667_240,
};
/** Of the three fully connected layers, which are the same in all of them. */
const CLASSIFIER_PARAMETERS = 123_642_856;
/** Of the one behind the means of block5's 512 maps. */
const AVG_PARAMETERS = 513_000;
/** Of VGGnet-GAP's own convolution, and of the layer behind the means of its 1024 maps. */
const GAP_PARAMETERS = 4_719_616 + 1_025_000;

const SCENES_PARAMETERS = 650_164;

/**
 * VGG-16's layers at an eighth of the channels and with 128 hidden units, trained on the scenes of src/scenes. The file lies
 * as many folders up from dist/chunks as it does from here. A bundler that does not follow it can import
 * 'gradcam-webgpu/models/vgg16-scenes.safetensors' as a URL, which then goes to the option `weights`.
 */
const SCENES_MODEL: KnownModel = {
  name: BUILT_IN_MODEL,
  title: 'Small VGG-16, an eighth as wide, drawn scenes, 12 classes; built in',
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

const VARIANTS = VGG_NAMES.flatMap((name) => [false, true].map((batchNorm) => ({ name, batchNorm })));

function variantName({ name, batchNorm }: (typeof VARIANTS)[number]): VggVariant {
  return batchNorm ? `${name}-bn` : name;
}

function variantTitle({ name, batchNorm }: (typeof VARIANTS)[number]): string {
  return `VGG-${name.slice('vgg'.length)}${batchNorm ? ' with batch normalisation' : ''}`;
}

const IMAGENET_MODELS = VARIANTS.map((variant): KnownModel => {
  const { name, batchNorm } = variant;
  const hubName = `${name}${batchNorm ? '_bn' : ''}.tv_in1k`;
  return {
    name: variantName(variant),
    title: `${variantTitle(variant)}, ImageNet, 1000 classes`,
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
});

/** A network that ends in a global average pooling, for weights of the user's own. */
function pooledModel(row: Pick<KnownModel, 'name' | 'title' | 'parameters' | 'table'>): KnownModel {
  return { ...row, classes: 1000, bytes: row.parameters * 4, sources: [] };
}

const POOLED_MODELS: readonly KnownModel[] = [
  pooledModel({
    name: 'vgg16-gap',
    title: "VGGnet-GAP, the CAM paper's VGG-16 with a global average pooling, 1000 classes",
    parameters: PARAMETERS.vgg16 - CLASSIFIER_PARAMETERS + GAP_PARAMETERS,
    table: (options) => vgg('vgg16', { ...options, head: 'gap' }),
  }),
  ...VARIANTS.map((variant) =>
    pooledModel({
      name: `${variantName(variant)}-avg`,
      title: `${variantTitle(variant)} and a global average pooling of its last maps, 1000 classes`,
      parameters: PARAMETERS[variant.name] - CLASSIFIER_PARAMETERS + AVG_PARAMETERS,
      table: (options) => vgg(variant.name, { ...options, batchNorm: variant.batchNorm, head: 'avg' }),
    }),
  ),
];

/** The networks that can be named: the built-in one first. */
export const MODELS: readonly KnownModel[] = [SCENES_MODEL, ...IMAGENET_MODELS, ...POOLED_MODELS];

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

/**
 * Where the weights of a model are published.
 *
 * @throws OptionError for a model that is there for weights of the user's own
 */
export function publishedSource({ name, sources }: KnownModel): ModelSource {
  if (sources.length > 0) return sources[0];
  const allowed = `a file of your own: no weights of ${name} are published that could be read here; random ones show that it runs`;
  throw new OptionError('weights', undefined, allowed);
}

/** @throws OptionError listing the models. */
export function findModel(name: string): KnownModel {
  const model = MODELS.find((known) => known.name === name);
  if (!model) throw new OptionError('model', name, MODELS.map((known) => known.name).join(', '));
  return model;
}
