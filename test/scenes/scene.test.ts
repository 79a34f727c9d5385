import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/errors.ts';
import { readPicture } from '../../src/node/image.ts';
import { writeScene } from '../../src/node/scene-files.ts';
import { SCENE_CLASSES } from '../../src/scenes/classes.ts';
import { sceneRecord } from '../../src/scenes/record.ts';
import { drawScene, type Scene } from '../../src/scenes/scene.ts';

const SIZE = 96;
const SCENES = Array.from({ length: 150 }, (_, seed) => drawScene(seed, { size: SIZE }));
const area = (mask: Uint8Array) => mask.reduce((sum, visible) => sum + visible, 0);
const mainOf = (scene: Scene) => scene.instances.filter(({ classIndex }) => classIndex === scene.classIndex);
const othersOf = (scene: Scene) => scene.instances.filter(({ classIndex }) => classIndex !== scene.classIndex);

describe('drawScene', () => {
  it('gives opaque R G B A of the size asked for, and 224 by default', () => {
    for (const [scene, size] of [
      [drawScene(0), 224],
      [drawScene(0, { size: 33 }), 33],
    ] as const) {
      expect([scene.width, scene.height, scene.data.length]).toEqual([size, size, 4 * size * size]);
      expect(scene.data.filter((_, i) => i % 4 === 3).every((alpha) => alpha === 255)).toBe(true);
    }
  });

  it('puts the box around just the visible pixels', () => {
    for (const { mask, box } of SCENES.flatMap(({ instances }) => instances)) {
      const visible = [...mask.keys()].filter((i) => mask[i] === 1);
      const [xs, ys] = [visible.map((i) => i % SIZE), visible.map((i) => Math.floor(i / SIZE))];
      expect([box.left, box.top]).toEqual([Math.min(...xs), Math.min(...ys)]);
      expect([box.left + box.width, box.top + box.height]).toEqual([Math.max(...xs) + 1, Math.max(...ys) + 1]);
      expect(mask.every((value) => value === 0 || value === 1)).toBe(true);
    }
  });

  it('gives no pixel to two objects', () => {
    for (const { instances } of SCENES) {
      for (let i = 0; i < SIZE * SIZE; i++) {
        expect(instances.filter(({ mask }) => mask[i] === 1).length).toBeLessThanOrEqual(1);
      }
    }
  });

  it('paints the object in a colour that stands out where its mask is', () => {
    const scene = drawScene(11, { instances: 1, secondClass: false });
    const [{ mask }] = scene.instances as [Scene['instances'][0]];
    const mean = (wanted: number) => {
      const sum = [0, 0, 0];
      let count = 0;
      for (let i = 0; i < mask.length; i++) {
        if (mask[i] !== wanted) continue;
        count++;
        for (let c = 0; c < 3; c++) sum[c]! += scene.data[4 * i + c]!;
      }
      return sum.map((v) => v / count);
    };
    const [inside, outside] = [mean(1), mean(0)];
    expect(Math.hypot(...inside.map((v, c) => v - outside[c]!))).toBeGreaterThan(40);
  });

  it('draws objects of 8 to 60 % of the side, large and small ones', () => {
    const shares = SCENES.flatMap(({ instances }) =>
      instances.map(({ box }) => Math.max(box.width, box.height) / SIZE),
    );
    const pixel = 1 / SIZE;
    expect(Math.max(...shares)).toBeLessThanOrEqual(0.6 + 2 * pixel);
    // What hides a part of an object may make the visible box smaller.
    expect(Math.min(...shares)).toBeGreaterThan(0.06);
    expect(shares.filter((share) => share < 0.15).length).toBeGreaterThan(5);
    expect(shares.filter((share) => share > 0.45).length).toBeGreaterThan(5);
  });

  it('leaves every object to be seen', () => {
    for (const { mask, box } of SCENES.flatMap(({ instances }) => instances)) {
      expect(area(mask) / (box.width * box.height)).toBeGreaterThan(0.1);
    }
  });

  it('leaves no doubt which class is the main one', () => {
    for (const scene of SCENES) {
      const [main, others] = [mainOf(scene), othersOf(scene)];
      expect(others.length).toBeLessThanOrEqual(Math.min(2, main.length));
      expect(scene.instances.slice(0, main.length)).toEqual(main);
      const areas = (instances: Scene['instances']) => instances.reduce((sum, { mask }) => sum + area(mask), 0);
      expect(areas(main)).toBeGreaterThan(areas(others));
    }
  });

  it('draws every class and every number of objects', () => {
    expect(new Set(SCENES.map(({ classIndex }) => classIndex)).size).toBe(SCENE_CLASSES.length);
    expect(new Set(SCENES.map((scene) => mainOf(scene).length))).toEqual(new Set([1, 2, 3, 4]));
    const withOthers = SCENES.filter((scene) => othersOf(scene).length > 0).length / SCENES.length;
    expect(withOthers).toBeGreaterThan(0.2);
    expect(withOthers).toBeLessThan(0.45);
  });

  it('draws what is asked for', () => {
    for (const classIndex of SCENE_CLASSES.keys()) {
      for (const instances of [1, 2, 3, 4]) {
        const alone = drawScene(5, { size: 64, classIndex, instances, secondClass: false });
        expect(alone.instances.map((instance) => instance.classIndex)).toEqual(Array(instances).fill(classIndex));
        const mixed = drawScene(5, { size: 64, classIndex, instances, secondClass: true });
        expect(mainOf(mixed).length).toBe(instances);
        expect(new Set(othersOf(mixed).map((other) => other.classIndex)).size).toBe(1);
      }
    }
  });

  it('is the same scene at every size', () => {
    const [small, large] = [drawScene(3, { size: 64 }), drawScene(3, { size: 256 })];
    for (const [i, { box }] of small.instances.entries()) {
      const other = large.instances[i]!.box;
      expect(Math.abs(box.left / 64 - other.left / 256)).toBeLessThan(2 / 64);
      expect(Math.abs(box.height / 64 - other.height / 256)).toBeLessThan(3 / 64);
    }
  });

  it.each([
    ['seed', -1, {}],
    ['seed', 0.5, {}],
    ['size', 0, { size: 31 }],
    ['classIndex', 0, { classIndex: SCENE_CLASSES.length }],
    ['instances', 0, { instances: 5 }],
    ['instances', 0, { instances: 0 }],
  ])('refuses a wrong %s', (option, seed, options) => {
    const draw = () => drawScene(seed, options);
    expect(draw).toThrow(OptionError);
    expect(draw).toThrow(option);
  });
});

describe('sceneRecord', () => {
  it('holds masks that can be had back from their run lengths', () => {
    for (const scene of SCENES.slice(0, 20)) {
      const record = sceneRecord(scene);
      expect(record.label).toBe(SCENE_CLASSES[scene.classIndex]);
      for (const [i, { segmentation, area: pixels }] of record.instances.entries()) {
        const columns = segmentation.counts.flatMap((count, run) => Array<number>(count).fill(run % 2));
        expect(columns.length).toBe(SIZE * SIZE);
        const { mask } = scene.instances[i]!;
        expect(columns.every((value, at) => value === mask[(at % SIZE) * SIZE + Math.floor(at / SIZE)])).toBe(true);
        expect(pixels).toBe(area(mask));
      }
    }
  });
});

describe('writeScene', () => {
  it('writes a PNG of the same pixels and JSON of the same truth', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'scene-'));
    try {
      const scene = SCENES[4]!;
      const [png, json] = await writeScene(folder, 'four', scene);
      expect(await readdir(folder)).toEqual(['four.json', 'four.png']);
      const { data, width, height } = await readPicture(png!);
      expect([width, height]).toEqual([SIZE, SIZE]);
      expect(Array.from(data)).toEqual(Array.from(scene.data).filter((_, i) => i % 4 !== 3));
      expect(JSON.parse(await readFile(json!, 'utf8'))).toEqual(JSON.parse(JSON.stringify(sceneRecord(scene))));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
