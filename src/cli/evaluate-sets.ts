/** What `evaluate` measures on: scenes or pictures, each with its ground truth. */
import { OptionError } from '../errors.ts';
import type { GroundTruth } from '../evaluate/ground-truth.ts';
import { derivedSeed } from '../evaluate/seeds.ts';
import type { Pixels } from '../image/picture.ts';
import { findLabelledPictures } from '../node/ground-truth.ts';
import { readPicture } from '../node/image.ts';
import { drawScene } from '../scenes/scene.ts';

/** One picture to measure on. */
export interface Example {
  /** Different for each of a set, and the same in every run. */
  readonly id: string;
  /** Changes when what is measured on does. */
  readonly fingerprint: string;
  load(): Promise<{ picture: Pixels; truth: GroundTruth; classIndex: number | undefined }>;
}

export interface ExampleSet {
  /** In JSON, and part of what results depend on; how many examples there are is told apart. */
  readonly description: object;
  /** For people: '200 scenes (seed 1)'. */
  readonly title: string;
  readonly count: number;
  example(index: number): Example;
  /** Pictures of the folder that have no ground truth, and are left out. */
  readonly unlabelled: readonly string[];
}

export interface SetFlags {
  scenes?: number;
  instances?: number;
  images?: string;
  masks?: string;
  category?: string;
}

const MAX_SCENES = 100_000;

/**
 * @param classIndex of --class; a scene's class is its main one
 * @throws OptionError
 */
export async function chooseSet(flags: SetFlags, seed: number, classIndex: number | undefined): Promise<ExampleSet> {
  const { scenes, images } = flags;
  if (images !== undefined) {
    refuse('--scenes', scenes, 'to be left out with --images');
    return pictureSet(images, flags, classIndex);
  }
  if (scenes !== undefined) return sceneSet(scenes, flags, seed, classIndex);
  throw new OptionError('--scenes', undefined, 'a number of scenes, or else a folder of pictures with --images');
}

function sceneSet(count: number, flags: SetFlags, seed: number, classIndex: number | undefined): ExampleSet {
  if (!Number.isInteger(count) || count < 1 || count > MAX_SCENES) {
    throw new OptionError('--scenes', count, `a whole number from 1 to ${MAX_SCENES}`);
  }
  const { instances } = flags;
  if (instances !== undefined && !(Number.isInteger(instances) && instances >= 1 && instances <= 4)) {
    throw new OptionError('--instances', instances, 'a whole number from 1 to 4');
  }
  refuse('--class', classIndex, 'to be left out with --scenes: the main class of each scene is explained');
  refuse('--masks', flags.masks, 'to be given with --images only');
  refuse('--category', flags.category, 'to be given with --images only');
  return {
    description: { kind: 'scenes', seed, instances },
    title: `${count} scenes (seed ${seed})`,
    count,
    example: (index) => {
      const id = `scene ${index}`;
      const sceneSeed = derivedSeed(seed, id);
      return {
        id,
        fingerprint: `seed ${sceneSeed}`,
        load: async () => {
          const scene = drawScene(sceneSeed, { instances });
          const { width, height, classIndex: mainClass } = scene;
          const ofMainClass = scene.instances.filter((instance) => instance.classIndex === mainClass);
          const regions = ofMainClass.map(({ mask }) => ({ left: 0, top: 0, width, height, mask }));
          return { picture: scene, truth: { width, height, instances: regions }, classIndex: mainClass };
        },
      };
    },
    unlabelled: [],
  };
}

async function pictureSet(images: string, flags: SetFlags, classIndex: number | undefined): Promise<ExampleSet> {
  refuse('--instances', flags.instances, 'to be given with --scenes only');
  const masks = flags.masks ?? images;
  const { pictures, unlabelled } = await findLabelledPictures(images, masks, flags.category);
  return {
    description: { kind: 'pictures', images, masks, category: flags.category },
    title: `${pictures.length} pictures of ${images}`,
    count: pictures.length,
    example: (index) => {
      const { file, fingerprint, groundTruth } = pictures[index]!;
      return {
        id: file,
        fingerprint,
        load: async () => {
          const picture = await readPicture(file);
          return { picture, truth: await groundTruth(picture), classIndex };
        },
      };
    },
    unlabelled,
  };
}

function refuse(option: string, value: unknown, allowed: string): void {
  if (value !== undefined) throw new OptionError(option, value, allowed);
}
