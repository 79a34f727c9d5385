/**
 * The bench as a page: the same measures as in Node, on the GPU of whoever opens it.
 *
 * Its address may say what to do: ?only=roof,ops&quick&start, and with &width=0.0625&inputSize=32 on a narrow network.
 */
import { Gpu } from '../../src/gpu/gpu.ts';
import { type Bench, type Peers, Unmeasured } from '../bench.ts';
import { parseReport } from '../compare.ts';
import { FULL_EFFORT, QUICK_EFFORT } from '../measure.ts';
import { FULL_SIZE } from '../problem.ts';
import { adapterName, type Report, type Versions } from '../report.ts';
import { rooflineSvg } from '../roofline.ts';
import { chooseSections, runSections, SECTIONS } from '../sections.ts';
import { rowTable, targetTable } from './tables.ts';

/** Made by the build, see node/versions.ts. */
declare const BENCH_VERSIONS: Versions;

/** Words of --only that stand for everything. */
const GROUPS = ['roof', 'ops', 'convolutions', 'task', 'profile', 'tfjs', 'jax', 'scaling', 'memory', 'bits', 'tuner'];
/** Peers, 50 samples and every kernel take long where the adapter is software. */
const UNCHECKED_ON_SOFTWARE = ['tfjs', 'jax', 'scaling', 'profile', 'tuner'];
const SAMPLES = 4;

const PEERS: Peers = {
  loadTfjs: async () => {
    const tf = await import('@tensorflow/tfjs');
    await import('@tensorflow/tfjs-backend-webgpu');
    if (!(await tf.setBackend('webgpu'))) throw new Unmeasured('tfjs-backend-webgpu did not start in this browser');
    return tf;
  },
  loadJax: async () => {
    const jax = await import('@jax-js/jax');
    if (!(await jax.init('webgpu')).includes('webgpu')) throw new Unmeasured('jax-js did not start in this browser');
    jax.defaultDevice('webgpu');
    return jax;
  },
};

const element = <Kind extends HTMLElement>(id: string) => document.getElementById(id) as Kind;
const query = new URLSearchParams(location.search);

async function start(): Promise<void> {
  const file = element<HTMLInputElement>('file');
  file.addEventListener('change', showFile);
  element('open').addEventListener('click', () => file.click());
  const adapter = (await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' })) ?? undefined;
  // With what kernels in float16 take, where there is such: they are timed, too.
  const gpu = await Gpu.request({ adapter, precision: adapter?.features.has('shader-f16') ? 'f16' : 'f32' });
  const { isFallback } = gpu.adapterInfo;
  const name = adapterName(gpu.adapterInfo);
  element('adapter').textContent = `${name}${isFallback ? ', a software adapter' : ''}; ${navigator.userAgent}`;
  addChoices(isFallback);

  const form = element<HTMLFormElement>('form');
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const words = chosenWords(form);
    if (words.length > 0) void run(gpu, words, form.elements.namedItem('quick') as HTMLInputElement);
    else element('error').textContent = 'Nothing is chosen: tick what to measure.';
  });
  element<HTMLButtonElement>('run').disabled = false;
  if (query.has('start')) form.requestSubmit();
}

function addChoices(isSoftware: boolean): void {
  const only = query.get('only')?.split(',');
  // Words that have no box of their own, such as one op, get one.
  for (const word of [...new Set([...GROUPS, ...(only ?? [])])]) {
    const label = document.createElement('label');
    const box = document.createElement('input');
    Object.assign(box, { type: 'checkbox', name: 'only', value: word });
    box.checked = only ? only.includes(word) : !(isSoftware && UNCHECKED_ON_SOFTWARE.includes(word));
    const sections = SECTIONS.filter(({ answersTo }) => answersTo.includes(word));
    const ids = sections.flatMap(({ targets }) => targets).filter((id) => id !== word);
    label.append(box, ids.length > 0 ? ` ${word} (${ids.join(', ')})` : ` ${word}`);
    label.title = sections.map(({ title }) => title).join('; ');
    element('choices').append(label);
  }
  element('choices').hidden = false;
  (element<HTMLFormElement>('form').elements.namedItem('quick') as HTMLInputElement).checked = query.has('quick');
}

function chosenWords(form: HTMLFormElement): string[] {
  return new FormData(form).getAll('only').map(String);
}

async function run(gpu: Gpu, words: readonly string[], { checked: quick }: HTMLInputElement): Promise<void> {
  const button = element<HTMLButtonElement>('run');
  button.disabled = true;
  document.body.dataset.state = 'running';
  element('error').textContent = '';
  const progress = (text: string) => {
    element('progress').textContent = text && `${text} …`;
  };
  try {
    const bench: Bench = {
      gpu,
      openGpu: (limits) => Gpu.request({ limits, tune: 'off' }),
      peers: PEERS,
      clock: { isSoftware: gpu.adapterInfo.isFallback, cores: navigator.hardwareConcurrency },
      effort: quick ? QUICK_EFFORT : FULL_EFFORT,
      quick,
      samples: SAMPLES,
      size: {
        width: Number(query.get('width') ?? FULL_SIZE.width),
        inputSize: Number(query.get('inputSize') ?? FULL_SIZE.inputSize),
      },
      torch: undefined,
      progress,
    };
    const sections = chooseSections(words);
    const head = {
      versions: BENCH_VERSIONS,
      adapter: gpu.adapterInfo,
      runtime: navigator.userAgent,
      date: new Date().toISOString(),
    };
    const { failures } = await runSections(bench, sections, {
      asked: new Set(words),
      // Whoever ends it early has what there is.
      onSection: (_, { rows, skipped }) => {
        const report: Report = { ...head, rows, skipped };
        show(report);
        offerDownload(report);
      },
    });
    element('error').textContent = failures.map(({ section, error }) => `${section}: ${error}`).join('\n');
    document.body.dataset.state = failures.length > 0 ? 'failed' : 'done';
  } catch (error) {
    element('error').textContent = error instanceof RangeError ? `there is no measure "${error.message}"` : `${error}`;
    document.body.dataset.state = 'failed';
  } finally {
    progress('');
    button.disabled = false;
  }
}

function show(report: Report): void {
  const { date, adapter, runtime } = report;
  element('report').textContent = ['Report', date.slice(0, 'yyyy-mm-dd'.length), adapterName(adapter), runtime]
    .filter(Boolean)
    .join(' · ');
  element('targets').replaceChildren(...targetTable(report));
  element('plot').innerHTML = rooflineSvg(report.rows, `Roofline: ${adapterName(report.adapter)}`) ?? '';
  element('rows').replaceChildren(...rowTable(report.rows));
}

function offerDownload(report: Report): void {
  const link = element<HTMLAnchorElement>('download');
  URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([JSON.stringify(report, undefined, 1)], { type: 'application/json' }));
  link.download = `bench-${report.date.slice(0, 10)}.json`;
  link.hidden = false;
}

async function showFile({ target }: Event): Promise<void> {
  const [file] = (target as HTMLInputElement).files ?? [];
  if (!file) return;
  try {
    show(parseReport(await file.text()));
    element('error').textContent = '';
  } catch (error) {
    element('error').textContent = `${file.name} is no report of the bench: ${(error as Error).message}`;
  }
}

start().catch((error: unknown) => {
  element('adapter').textContent = '';
  element('error').textContent = error instanceof Error ? error.message : String(error);
  document.body.dataset.state = 'failed';
});
