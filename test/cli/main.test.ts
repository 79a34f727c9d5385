import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawDemoScene } from '../../src/cli/setup.ts';
import { parseNpy } from '../../src/image/npy.ts';
import { COMPARED_METHODS } from '../../src/methods.ts';
import { encodePng, readPicture } from '../../src/node/image.ts';
import { SCENE_CLASSES } from '../../src/scenes/classes.ts';
import { drawScene } from '../../src/scenes/scene.ts';
import { runMain as run } from './run-main.ts';

const root = mkdtempSync(join(tmpdir(), 'gradcam-cli-'));
const outsideRoot = process.cwd();
beforeAll(async () => {
  const gradient = Uint8ClampedArray.from({ length: 4 * 40 * 30 }, (_, i) => (i % 4 === 3 ? 255 : (i * 7) % 256));
  writeFileSync(join(root, 'photo.png'), await encodePng({ data: gradient, width: 40, height: 30 }));
  mkdirSync(join(root, 'other'));
  writeFileSync(join(root, 'other', 'photo.jpg'), await sharp(join(root, 'photo.png')).jpeg().toBuffer());
  writeFileSync(join(root, 'text.png'), 'no picture');
  writeFileSync(join(root, 'file'), '');
  writeFileSync(join(root, 'empty.mjs'), '');
  writeFileSync(join(root, 'peak.mjs'), "export default { name: 'peak-cam', map: 'max(d1, 0.0)', title: 'Peak' };");
  process.chdir(root);
});
afterAll(() => {
  process.chdir(outsideRoot);
  rmSync(root, { recursive: true });
});

const TINY = ['--weights', 'random:3', '--width', '1/32'];

describe('bad calls end with 2, one message, and nothing done', () => {
  it.each([
    [
      'an unknown command',
      ['transmogrify'],
      /unknown command 'transmogrify'\nCommands: explain, compare, classify, replay, evaluate, tour, doctor, convert, tune, models/,
    ],
    ['an unknown option', ['explain', '--foo'], /unknown option '--foo'/],
    ['classify without a picture', ['classify'], /missing required argument 'image'/],
    ['an unknown model', ['explain', '--model', 'resnet'], /--model: got "resnet"; allowed: vgg16-scenes, vgg11, /],
    ['an unknown layer', ['explain', '--layer', 'conv9'], /--layer: got "conv9"; allowed: block1_conv1, /],
    [
      'an unknown method',
      ['explain', '--method', 'lime'],
      /--method.*lime.*grad-cam\+\+.*or a \.mjs file of a method$/m,
    ],
    ['a method with a slip', ['explain', '--method', 'smooth-gradcam++'], /; the nearest is smooth-grad-cam\+\+$/m],
    ['a preset with a slip', ['explain', '--preset', 'torchcam'], /--preset: .*; the nearest is torch-cam$/m],
    ['presets with a slip', ['compare', '--presets', 'official,torchcam'], /--presets: .*; the nearest is torch-cam$/m],
    [
      'a method for another kind of network',
      ['explain', '--method', 'cam'],
      /--method: got "cam"; allowed: hires-cam or grad-cam: .*global average pooling/,
    ],
    [
      'a layer that CAM has no weights for',
      ['explain', '--model', 'vgg11-avg', '--method', 'cam', '--layer', 'block5_conv2', ...TINY],
      /--layer: got "block5_conv2"; allowed: block5_pool: CAM/,
    ],
    [
      'a network without published weights',
      ['explain', '--model', 'vgg16-gap'],
      /--weights: not given; needed: a file of your own/,
    ],
    ['a file that is not there', ['explain', '--method', 'lime.mjs'], /--method: got "lime\.mjs".*Cannot find module/],
    ['a file without a method', ['explain', '--method', 'empty.mjs'], /--method: got "empty\.mjs".*default export/],
    [
      'an unknown noise scale',
      ['explain', '--noise-scale', 'x'],
      /--noise-scale: got "x"; allowed: relative, absolute/,
    ],
    ['negative n', ['explain', '--samples', '-1'], /--samples: got -1; allowed: a whole number from 0/],
    ['half a sample', ['explain', '--samples', '0.5'], /--samples: got 0\.5/],
    ['σ that is no number', ['explain', '--std-dev', 'NaN'], /--std-dev.*NaN.*Expected a number/],
    ['negative σ', ['explain', '--std-dev', '-0.1'], /--std-dev: got -0\.1/],
    ['a class out of range', ['explain', '--class', '12'], /--class: got 12; allowed: a whole number from 0 to 11/],
    [
      'a contrast out of range',
      ['explain', '--contrast', '12'],
      /--contrast: got 12; allowed: a whole number from 0 to 11/,
    ],
    ['several contrasts', ['explain', '--contrast', '1,2'], /--contrast: got "1,2"; allowed: one class/],
    ['an unknown contrast', ['explain', '--contrast', 'cat'], /--contrast: got "cat"; allowed: an index or a name/],
    [
      'a difference of one class',
      ['explain', '--difference', '--class', '3'],
      /--class: got "3"; allowed: two classes with --difference/,
    ],
    ['a difference of none', ['explain', '--difference'], /--class: not given; needed: two classes with --difference/],
    [
      'an unknown layer of several',
      ['explain', '--layer', 'block5_conv3,x'],
      /--layer: got "x"; allowed: block1_conv1/,
    ],
    ['one layer to fuse', ['explain', '--fusion', 'mean'], /--fusion: got "mean"; allowed: nothing for a single layer/],
    ['a name without labels', ['explain', '--class', 'cat', ...TINY], /--class: got "cat".*--labels/],
    ['a region outside of the map', ['explain', '--region', '0,0,14,3'], /--region: got 14.*14 × 14 cells/],
    ['a neuron outside of the map', ['explain', '--neurons', '0,0;3,14'], /--neurons: got 14.*14 × 14 cells/],
    ['a region and neurons', ['explain', '--region', '0,0,1,1', '--neurons', '0,0'], /cannot be used with/],
    ['a filter out of range', ['explain', '--filters', '64'], /--filters: got 64.*0 to 63/],
    ['opacity above 1', ['explain', '--opacity', '1.5'], /--opacity.*Expected a number from 0 to 1/],
    ['a threshold of none', ['explain', '--boxes', '0'], /--boxes.*'0'.*Expected a number above 0 and up to 1/],
    ['a picture for a threshold', ['explain', '--boxes', 'photo.png'], /--boxes.*photo\.png.*in front of the flag/],
    ['an unknown colour map', ['explain', '--color-map', 'jet'], /--color-map.*jet.*viridis/],
    ['an unknown precision', ['explain', '--precision', 'f8'], /--precision.*'f8'.*f32, f16-storage, f16/],
    ['width for real weights', ['explain', '--weights', 'x', '--width', '1/8'], /--width: got 0\.125/],
    // The same rule as loadModel's.
    ['a width of none', [...TINY, '--width', '0'], /--width: got 0; allowed: a number above 0 and up to 4/],
    [
      'a width without end',
      [...TINY, '--width', '1/0'],
      /--width: got Infinity; allowed: a number above 0 and up to 4/,
    ],
    ['a width too large', [...TINY, '--width', '9/2'], /--width: got 4\.5; allowed: a number above 0 and up to 4/],
    [
      'a seed that is no number',
      ['explain', '--weights', 'random:x'],
      /--weights: got "random:x"; allowed: random:SEED/,
    ],
    ['labels that are none', ['explain', '--labels', 'text.png'], /--labels: got "text\.png"/],
    ['a file for a folder', ['explain', '--out', 'file'], /--out: got "file"; allowed: a folder/],
    ['results of one name', ['explain', 'photo.png', 'other/photo.jpg', ...TINY], /IMAGE.*photo\.png is "photo" too/],
    ['an unknown fit', ['classify', 'photo.png', '--fit', 'stretch'], /--fit.*stretch.*squash, crop, pad/],
  ])('%s', async (_, args, message) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^gradcam: /);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(existsSync('out')).toBe(false);
  });
});

describe('work that fails ends with 1 and one message', () => {
  it.each([
    ['a missing picture', ['explain', 'none.png', ...TINY], /none\.png: no such file/],
    ['text as a picture', ['classify', 'text.png', ...TINY], /text\.png: not a picture/],
    ['a missing weights file', ['explain', 'photo.png', '--weights', 'none'], /none: no such file/],
    ['weights without weights', ['explain', 'photo.png', '--weights', 'other'], /other: .*model\.json.*safetensors/],
    ['an adapter that is not there', ['explain', '--adapter', 'voodoo2'], /"voodoo2"; found: /],
  ])('%s', async (_, args, message) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^gradcam: .*\n$/);
    expect(existsSync('out')).toBe(false);
  });

  it('tells the folder of the weights from the environment', async () => {
    const { code, stderr } = await run(['classify', 'photo.png'], { env: { GRADCAM_WEIGHTS: 'nowhere' } });
    expect([code, stderr]).toEqual([1, 'gradcam: nowhere: no such file\n']);
  });
});

describe('without anything', () => {
  it('shows a scene and the paper’s methods side by side', async () => {
    const { code, stdout } = await run([]);
    expect(code).toBe(0);
    const scene = drawDemoScene();
    expect(stdout).toMatch(new RegExp(`^A drawn scene: 3 × ${SCENE_CLASSES[scene.classIndex]}, 1 × `));
    expect(stdout).toContain(`vgg16-scenes sees: ${SCENE_CLASSES[scene.classIndex]} `);
    const picture = await readPicture(join('out', 'scene.methods.png'));
    expect(picture.width).toBe((1 + COMPARED_METHODS.length) * (scene.width + 8) + 8);
    expect(picture.height).toBeGreaterThan(scene.height + 2 * 8);
    rmSync('out', { recursive: true });
  });
});

describe('tour', () => {
  it('takes a folder and an adapter', async () => {
    const { code } = await run(['tour', '--out', 'shown', '--quiet']);
    expect([code, readdirSync('shown')]).toEqual([0, ['scene.methods.png']]);
    const wrong = await run(['tour', '--adapter', 'voodoo2']);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(/"voodoo2"; found: /);
    expect((await run(['tour', '--out', 'file'])).stderr).toMatch(/--out: got "file"; allowed: a folder/);
  });
});

describe('explain', () => {
  it('says which flags change nothing', async () => {
    const idle = [
      '--std-dev',
      '0.3',
      '--seed',
      '3',
      '--alpha-numerator',
      'first',
      '--combine-filters',
      'sum',
      '--max-dropped-share',
      '0.1',
      '--method',
      'grad-cam',
    ];
    const { code, stderr } = await run(['explain', ...TINY, ...idle, '--out', 'idle']);
    expect(code).toBe(0);
    expect(stderr.trimEnd().split('\n').slice(0, 5)).toEqual([
      '--std-dev changes nothing here: it goes with noisy copies of the picture (--samples)',
      '--seed changes nothing here: it goes with noisy copies of the picture (--samples)',
      '--alpha-numerator changes nothing here: it goes with a method with alpha',
      '--max-dropped-share changes nothing here: it goes with --score softmax or log-softmax and a method with alpha',
      '--combine-filters changes nothing here: it goes with --filters',
    ]);
    const used = [...idle.slice(0, 8), '--samples', '1', '--filters', '0,1'];
    expect((await run(['explain', ...TINY, ...used, '--out', 'idle'])).stderr).not.toContain('changes nothing');
  });

  it('by another score says how many classes it took', async () => {
    const flags = ['--score', 'softmax', '--max-dropped-share', '0.5', '--method', 'grad-cam++', '--out', 'softmax'];
    const { code, stdout } = await run(['explain', ...TINY, ...flags, '--json', '--quiet']);
    expect(code).toBe(0);
    const { options, keptClasses, droppedMass } = JSON.parse(stdout);
    expect(options).toMatchObject({ score: 'softmax', maxDroppedShare: 0.5 });
    expect(keptClasses).toBeGreaterThan(1);
    expect(droppedMass).toBeGreaterThan(0);
    const words = (await run(['explain', ...TINY, ...flags])).stdout;
    expect(words).toContain(`  softmax over ${keptClasses} classes; the others have `);
    const wrong = await run(['explain', ...TINY, '--score', 'logit', '--sample-weights', 'score']);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/--sample-weights: got "score"; allowed: 'uniform' with score logit/);
  });

  it('without a picture: the built-in model on a scene, and its top class is right', async () => {
    const { code, stdout } = await run(['explain', '--json', '--quiet']);
    expect(code).toBe(0);
    const record = JSON.parse(stdout);
    const { classIndex } = drawDemoScene();
    expect(record).toMatchObject({ image: null, classIndex, label: SCENE_CLASSES[classIndex], outcome: 'ok' });
    expect(record.model.name).toBe('vgg16-scenes');
    expect(readdirSync('out').sort()).toEqual([
      'scene.smooth-grad-cam++.json',
      'scene.smooth-grad-cam++.npy',
      'scene.smooth-grad-cam++.png',
    ]);
    rmSync('out', { recursive: true });
  });

  it('with random weights: says so', async () => {
    const { code, stderr } = await run(['explain', '--weights', 'random:0', '--width', '1/8']);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^vgg16 with random weights \(seed 0, 0\.125 of the channels\).*mean nothing/);
    rmSync('out', { recursive: true });
  });

  it('writes an overlay of the size of the picture, the raw map and its description, and prints that as JSON', async () => {
    const args = ['explain', 'photo.png', ...TINY, '--samples', '2', '--layer', 'features.26', '--out', 'a', '--json'];
    const { code, stdout } = await run([...args, '--quiet']);
    expect(code).toBe(0);
    const record = JSON.parse(stdout);
    expect(stdout.trim().split('\n')).toHaveLength(1);
    expect(record).toEqual(JSON.parse(readFileSync('a/photo.smooth-grad-cam++.json', 'utf8')));
    expect(record).toMatchObject({
      image: 'photo.png',
      label: null,
      map: { maps: 1, height: 14, width: 14 },
      model: { name: 'vgg16', weights: { origin: 'random:3' } },
      options: { layerName: 'block5_conv2', nSamples: 2, stdDev: 0.15, filters: null },
      files: {
        overlays: [join('a', 'photo.smooth-grad-cam++.png')],
        map: join('a', 'photo.smooth-grad-cam++.npy'),
        json: join('a', 'photo.smooth-grad-cam++.json'),
      },
    });
    expect(record.predictions).toHaveLength(5);
    expect(record.memory.peakBytes).toBeGreaterThan(0);
    expect(record.timings.compute).toBeGreaterThan(0);
    const map = parseNpy(readFileSync(record.files.map), record.files.map);
    expect(map).toMatchObject({ dtype: '<f4', shape: [14, 14] });
    expect(record.map.max).toBe(Math.max(...new Float32Array(Uint8Array.from(map.bytes).buffer)));
    expect(await readPicture(record.files.overlays[0])).toMatchObject({ width: 40, height: 30 });
  });

  it('takes a method from a file, and names its results after it', async () => {
    const args = ['explain', 'photo.png', ...TINY, '--out', 'own', '--json', '--quiet', '--method', 'peak.mjs'];
    const { code, stdout, stderr } = await run(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { options, provenance } = JSON.parse(stdout);
    expect(options.method).toMatchObject({ name: 'peak-cam', title: 'Peak', map: 'max(d1, 0.0)' });
    expect(provenance.options.method).toEqual(options.method);
    expect(readdirSync('own').sort()).toEqual(['photo.peak-cam.json', 'photo.peak-cam.npy', 'photo.peak-cam.png']);
  });

  it('gives a result for each class, named by it', async () => {
    writeFileSync('labels.json', JSON.stringify(Array.from({ length: 1000 }, (_, i) => `thing ${i}, object ${i}`)));
    const args = ['explain', 'photo.png', ...TINY, '--out', 'b', '--json', '--method', 'grad-cam'];
    const { code, stdout } = await run([...args, '--class', 'Object 7,3', '--labels', 'labels.json']);
    expect(code).toBe(0);
    const records = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(records.map(({ classIndex, label }) => [classIndex, label])).toEqual([
      [7, 'thing 7, object 7'],
      [3, 'thing 3, object 3'],
    ]);
    expect(
      readdirSync('b')
        .filter((name) => name.endsWith('.npy'))
        .sort(),
    ).toEqual(['photo.c3.grad-cam.npy', 'photo.c7.grad-cam.npy']);
  });

  it('gives a result for each layer, named by it, or one of all', async () => {
    const args = ['photo.png', ...TINY, '--layer', 'block4_conv3,features.28', '--method', 'layer-cam', '--json'];
    const { stdout } = await run(['explain', ...args, '--out', 'layers', '--class', '3,7']);
    const results = stdout.trimEnd().split('\n');
    expect(results.map((line) => JSON.parse(line).files.map)).toEqual(
      ['c3', 'c7'].flatMap((name) =>
        ['block4_conv3', 'block5_conv3'].map((layer) => join('layers', `photo.${name}.${layer}.layer-cam.npy`)),
      ),
    );
    const fused = await run(['explain', ...args, '--out', 'fused', '--fusion', 'max']);
    const result = JSON.parse(fused.stdout);
    expect(result.map).toMatchObject({ maps: 1, height: 28, width: 28 });
    expect(result.options).toMatchObject({ layerName: ['block4_conv3', 'block5_conv3'], fusion: 'max' });
    expect(readdirSync('fused').sort()).toEqual(['photo.layer-cam.json', 'photo.layer-cam.npy', 'photo.layer-cam.png']);
    const people = await run(['explain', ...args.slice(0, -1), '--out', 'fused', '--fusion', 'max']);
    expect(people.stdout).toContain('layer-cam at block4_conv3, block5_conv3 (max)');
  });

  it('with --difference, what the first of two classes has more of', async () => {
    const args = [
      'photo.png',
      ...TINY,
      '--method',
      'grad-cam',
      '--class',
      '3,7',
      '--difference',
      '--out',
      'difference',
    ];
    const { stdout } = await run(['explain', ...args, '--json']);
    const [a, b, difference] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const valuesOf = ({ files: { map } }: { files: { map: string } }) =>
      new Float32Array(Uint8Array.from(parseNpy(readFileSync(map), map).bytes).buffer);
    const shares = [a, b].map((result) => valuesOf(result).map((value) => value / (result.map.max || 1)));
    const values = valuesOf(difference);
    for (const [i, value] of values.entries()) expect(value).toBeCloseTo(shares[0]![i]! - shares[1]![i]!, 5);
    expect(difference).toMatchObject({
      classIndex: [3, 7],
      map: { maps: 1, height: 14, width: 14, min: Math.min(...values), max: Math.max(...values) },
      files: { json: join('difference', 'photo.c3-minus-c7.grad-cam.json') },
    });
    const people = await run(['explain', ...args]);
    expect(people.stdout).toMatch(
      /photo\.png: class 3 minus class 7, from -?\d\.\d\d to \d\.\d\d\n {2}grad-cam at block5/,
    );
  });

  it('writes what each value of the input adds, of methods there', async () => {
    const args = ['explain', 'photo.png', ...TINY, '--out', 'signed', '--json', '--class', '3', '--contrast', '7'];
    const { stdout } = await run([...args, '--method', 'gradient-x-input']);
    const { files, options } = JSON.parse(stdout);
    expect(files.signed).toBe(join('signed', 'photo.gradient-x-input.signed.npy'));
    expect(parseNpy(readFileSync(files.signed), files.signed)).toMatchObject({ dtype: '<f4', shape: [3, 224, 224] });
    expect(options).toMatchObject({ classIndex: 3, contrast: 7 });
    const atLayer = JSON.parse((await run([...args, '--method', 'grad-cam', '--color-map', 'rdbu'])).stdout);
    expect(atLayer.files.signed).toBeNull();
    expect(readdirSync('signed').filter((name) => name.includes('signed'))).toHaveLength(1);
    const people = await run([...args.filter((arg) => arg !== '--json'), '--method', 'grad-cam']);
    expect(people.stdout).toContain('class 3 rather than class 7');
  });

  it('refuses a contrast that is the class of the picture, and goes on with the others', async () => {
    const built = ['explain', '--method', 'grad-cam', '--contrast', 'tree', '--out', 'itself'];
    const scene = await run(built);
    expect(scene.code).toBe(2);
    expect(scene.stderr).toMatch(
      /^gradcam: --contrast: got \d+; allowed: another class .* most probable, \d+ \(tree\)/m,
    );
    expect([scene.stdout, existsSync('itself')]).toEqual(['', false]);

    await encodePng(drawScene(1)).then((png) => writeFileSync('other-scene.png', png));
    await encodePng(drawDemoScene()).then((png) => writeFileSync('scene.png', png));
    const model = ['--model', 'vgg16-scenes', '--quiet'];
    const { code, stdout, stderr } = await run([...built, 'scene.png', 'other-scene.png', ...model]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^scene.png: left out: contrast: .*\ngradcam: --contrast: .* on 1 of 2 pictures$/m);
    expect(stdout).toMatch(/^other-scene.png: .* rather than \d+ \(tree\)/);
  });

  it('stacks the maps of several filters, and draws each', async () => {
    const { code } = await run(['explain', 'photo.png', ...TINY, '--filters', '2,0,1', '--out', 'c', '--quiet']);
    expect(code).toBe(0);
    expect(parseNpy(readFileSync('c/photo.smooth-grad-cam++.npy'), 'map').shape).toEqual([3, 14, 14]);
    expect(
      readdirSync('c')
        .filter((name) => name.endsWith('.png'))
        .sort(),
    ).toEqual(['photo.smooth-grad-cam++.map1.png', 'photo.smooth-grad-cam++.map2.png', 'photo.smooth-grad-cam++.png']);
  });

  it('tells the boxes of the maps, and draws them when asked to', async () => {
    const args = ['explain', 'photo.png', ...TINY, '--filters', '1,2', '--quiet', '--json'];
    const plain = JSON.parse((await run([...args, '--out', 'plain'])).stdout);
    const boxed = JSON.parse((await run([...args, '--out', 'boxed', '--boxes'])).stdout);
    const high = JSON.parse((await run([...args, '--out', 'high', '--boxes', '0.9'])).stdout);
    expect(boxed.boxes).toEqual(plain.boxes);
    expect([plain.boxes.threshold, high.boxes.threshold]).toEqual([0.15, 0.9]);
    const [low, [best]] = [plain, high].map(({ boxes }) => boxes.found.filter(({ map }: { map: number }) => map === 1));
    expect(low[0].score).toBeGreaterThan(best.score);
    expect(best).toMatchObject({ max: 1, area: expect.any(Number), mean: expect.any(Number) });
    const [x, y, width, height] = best.box;
    expect(x >= 0 && y >= 0 && x + width <= 40 && y + height <= 30).toBe(true);

    const [under, over] = await Promise.all([plain, high].map(({ files }) => readPicture(files.overlays[1])));
    const pixel = ({ data }: typeof under) => [...data.subarray(3 * (y * 40 + x), 3 * (y * 40 + x) + 3)];
    expect(pixel(over)).toEqual([255, 255, 255]);
    expect(pixel(under)).not.toEqual([255, 255, 255]);
  });

  it('leaves nothing when it is interrupted, and says so', async () => {
    const interrupt = new AbortController();
    setTimeout(() => interrupt.abort('SIGINT'), 300);
    const args = ['explain', 'photo.png', ...TINY, '--samples', '5000', '--out', 'd', '--quiet'];
    const { code, stderr } = await run(args, { signal: interrupt.signal });
    expect([code, stderr]).toEqual([130, 'gradcam: interrupted\n']);
    expect(existsSync('d')).toBe(false);
  });
});

describe('classify', () => {
  it('prints five classes of each picture', async () => {
    const { code, stdout } = await run(['classify', 'photo.png', 'other/photo.jpg', ...TINY, '--quiet']);
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect([lines[0], lines[6], lines.length]).toEqual(['photo.png', 'other/photo.jpg', 12]);
    expect(lines[1]).toMatch(/^ +\d+ +\d+\.\d\d %$/);
  });

  it('prints a line of JSON for each with --json', async () => {
    const { stdout } = await run(['classify', 'photo.png', 'other/photo.jpg', ...TINY, '--json', '--quiet']);
    const records = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(records.map(({ image, predictions }) => [image, predictions.length])).toEqual([
      ['photo.png', 5],
      ['other/photo.jpg', 5],
    ]);
  });
});

describe('models, doctor, help', () => {
  it('models: names, addresses and preprocessing', async () => {
    const { stdout } = await run(['models', '--json']);
    const models = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const vgg16 = models.find(({ name }) => name === 'vgg16');
    expect(vgg16.sources[0].url).toMatch(/^https:\/\/.*vgg16.*\.safetensors$/);
    expect(vgg16.preprocessing.torch.mean).toEqual([0.485, 0.456, 0.406]);
    expect([vgg16.bytes, vgg16.f16StorageBytes]).toEqual([553_430_176, 276_741_920]);
    const { stdout: text } = await run(['models']);
    expect(text).toContain(vgg16.sources[0].url);
    expect(text).toContain('553 MB in float32, 277 MB with --precision f16-storage');
  });

  it('doctor: the adapter that is used, for people and as JSON', async () => {
    const { code, stdout } = await run(['doctor', '--json']);
    const report = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(report.used.limits.maxBufferSize).toBeGreaterThan(0);
    expect((await run(['doctor'])).stdout).toContain(report.used.description);
  });

  it('doctor: fails where nothing serves', async () => {
    const { code, stdout, stderr } = await run(['doctor', '--adapter', 'voodoo2']);
    expect(code).toBe(1);
    expect(stdout).toContain('Adapter used: none');
    expect(stderr).toMatch(/"voodoo2"/);
  });

  it('help shows the defaults', async () => {
    const { code, stdout } = await run(['explain', '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/--std-dev <sigma>[^(]*\(default:\s+0\.15\)/);
  });
});
