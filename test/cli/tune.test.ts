/** `gradcam tune`, `gradcam doctor --tuning`, and the flags that choose kernels. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { runMain as run } from './run-main.ts';

const root = mkdtempSync(join(tmpdir(), 'gradcam-tune-'));
const { GRADCAM_CACHE } = process.env;
const outsideRoot = process.cwd();
beforeAll(() => process.chdir(root));
afterEach(() => rmSync(join(root, 'cache'), { recursive: true, force: true }));
afterAll(() => {
  process.chdir(outsideRoot);
  if (GRADCAM_CACHE === undefined) delete process.env.GRADCAM_CACHE;
  else process.env.GRADCAM_CACHE = GRADCAM_CACHE;
  rmSync(root, { recursive: true });
});
process.env.GRADCAM_CACHE = join(root, 'cache');

const SCENES = ['--model', 'vgg16-scenes'];
/** Behind noise, in front of several poolings: there other kernels may be chosen than for the clean picture. */
const CALL = ['--layer', 'block4_conv2', '--samples', '1'];
const TINY = ['--weights', 'random:3', '--width', '1/32', '--quiet'];
const kernelsIn = (stdout: string) => JSON.parse(stdout).provenance.kernels;

describe('gradcam tune', () => {
  it('times each kernel, and keeps what explain takes and doctor shows', async () => {
    const before = await run(['doctor', '--tuning']);
    expect(before).toMatchObject({ code: 0, stdout: expect.stringMatching(/No timings are kept.*gradcam tune/) });

    const tuned = await run(['tune', ...SCENES, ...CALL, '--quiet']);
    expect(tuned).toMatchObject({ code: 0 });
    expect(tuned.stdout).toMatch(/vgg16-scenes at block4_conv2, n = 1/);
    expect(tuned.stdout).toMatch(/conv2d grad-input 64-64 14x14 3x3 stride 1 padding 1 rows 2/);
    expect(tuned.stdout).toMatch(/^ > \S+ +[\d.]+(, [\d.]+)* ms; error \d/m);
    const [, timed, shapes] = tuned.stdout.match(/^(\d+) of (\d+) shapes timed in [\d.]+ s; kept in .*cache.tuning$/m)!;
    expect(timed).toBe(shapes);

    const shown = await run(['doctor', '--tuning']);
    for (const line of tuned.stdout.split('\n').filter((text) => /^conv2d|ms; error/.test(text))) {
      expect(shown.stdout).toContain(line);
    }
    const shownAsJson = JSON.parse((await run(['doctor', '--tuning', '--json'])).stdout);
    const { kept } = shownAsJson;
    expect(kept).toHaveLength(1);
    for (const { stdout } of [tuned, shown]) expect(stdout).toMatch(/^> is taken: .* dropped after fewer runs/m);
    expect(shown.stdout).toMatch(/^Kept in .*cache.tuning, a file for each/m);

    const again = JSON.parse((await run(['tune', ...SCENES, ...CALL, '--json', '--quiet'])).stdout);
    expect(again.tunings).toEqual(kept[0].tunings);
    expect((await run(['tune', ...SCENES, ...CALL, '--quiet'])).stdout).toMatch(/^Every shape had timings.*--again/m);

    const { candidates } = kept[0].tunings.find(({ key }: { key: string }) => /forward 64-64 14x14/.test(key));
    const fastest = candidates.reduce((best: { ms: number[] }, each: { ms: number[] }) =>
      Math.min(...each.ms) < Math.min(...best.ms) ? each : best,
    );
    const explained = await run(['explain', ...CALL, '--tune', 'full', '--json', '--quiet']);
    const { forward } = kernelsIn(explained.stdout).block5_conv3;
    const slack = Math.min(...candidates.find(({ name }: { name: string }) => name === forward).ms);
    expect(slack).toBeLessThanOrEqual(1.03 * Math.min(...fastest.ms));
    // All that the explanation asks for had been timed.
    expect(JSON.parse((await run(['doctor', '--tuning', '--json'])).stdout)).toEqual(shownAsJson);
  }, 180_000);

  it('does nothing where the timings cannot be kept', async () => {
    writeFileSync(join(root, 'cache'), 'a file where the folder should be');
    const { code, stdout, stderr } = await run(['tune', ...SCENES]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/timings cannot be kept in .*cache.tuning; GRADCAM_CACHE names another place: E/);
  });

  it.each([
    ['another model', ['tune', '--model', 'resnet'], /--model: got "resnet"/],
    ['another layer', ['tune', ...SCENES, '--layer', 'conv9'], /--layer: got "conv9"; allowed: block1_conv1/],
    ['a kernel that there is not', ['explain', '--force-variant', 'fft'], /--force-variant.*'fft'.*direct.*winograd-4/],
    ['a mode that there is not', ['explain', '--tune', 'always'], /--tune.*'always'.*off, cached, full/],
  ])('refuses %s', async (_, args, message) => {
    const { code, stderr } = await run(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('gradcam explain', () => {
  it('takes the kernel that is forced', async () => {
    const { code, stdout } = await run(['explain', ...TINY, '--force-variant', 'winograd-2', '--json']);
    expect(code).toBe(0);
    const used = Object.values<Record<string, string>>(kernelsIn(stdout)).flatMap((each) => Object.values(each));
    expect(new Set(used)).toEqual(new Set(['winograd-2']));
  }, 60_000);

  it('says of a forced kernel that nothing can take it', async () => {
    const call = ['explain', ...TINY.filter((flag) => flag !== '--quiet'), '--force-variant'];
    const { code, stderr } = await run([...call, 'half-gemm-32x64']);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(
        /^--force-variant half-gemm-32x64 changes nothing here: .* --precision f32 can take it, but direct, .*winograd-4$/m,
      ),
    });
    expect((await run([...call, 'winograd-4'])).stderr).not.toMatch(/force-variant/);
  });

  it('with --tune full leaves timings for the next call, with --tune off none', async () => {
    expect(await run(['explain', '--tune', 'off', ...TINY])).toMatchObject({ code: 0 });
    expect((await run(['doctor', '--tuning'])).stdout).toMatch(/No timings/);
    expect(await run(['explain', '--tune', 'full', ...TINY])).toMatchObject({ code: 0 });
    const { kept, folder } = JSON.parse((await run(['doctor', '--tuning', '--json'])).stdout);
    expect(kept[0].tunings.length).toBeGreaterThan(0);
    const file = join(folder, `tuning-${kept[0].subject.digest}.json`);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(kept[0]);
  }, 120_000);
});
