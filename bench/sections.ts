/** The measures, in the order in which they are taken. */
import { type Bench, Session, Unmeasured } from './bench.ts';
import { measureAgainstJax, measureAgainstTfjs } from './measures/against-peers.ts';
import { measureBits } from './measures/bits.ts';
import { measureClasses } from './measures/classes.ts';
import { measureConvolutions } from './measures/convolutions.ts';
import { measureMemory } from './measures/memory.ts';
import { measureProfile } from './measures/profile.ts';
import { measureScaling } from './measures/scaling.ts';
import { measureTask } from './measures/task.ts';
import { measureTorch } from './measures/torch.ts';
import { measureTuner } from './measures/tuner.ts';
import { OPS } from './ops.ts';
import type { Row, Skipped } from './report.ts';
import { runOp } from './run-ops.ts';

/** A piece of the bench that can be asked for. */
export interface Section {
  readonly name: string;
  /** Words by which --only finds it, its name among them. */
  readonly answersTo: readonly string[];
  /** Its rows of m1 … m11. */
  readonly targets: readonly string[];
  readonly title: string;
  run(bench: Bench, session: Session): Promise<readonly Row[]>;
}

function section(
  name: string,
  { groups = [], targets = [], title }: { groups?: readonly string[]; targets?: readonly string[]; title: string },
  run: Section['run'],
): Section {
  return { name, answersTo: [name, ...groups, ...targets], targets, title, run };
}

export const SECTIONS: readonly Section[] = [
  section('roof', { title: "the adapter's roofs" }, async (_, session) => (await session.roofs()).rows),
  // First of all explanations: it counts what they leave behind.
  section('memory', { targets: ['m7', 'm9'], title: 'memory and dispatches' }, measureMemory),
  section('convolutions', { targets: ['m4'], title: "VGG-16's convolutions" }, measureConvolutions),
  section('task', { title: 'Smooth Grad-CAM++ on VGG-16' }, measureTask),
  section('profile', { title: 'where the time goes' }, measureProfile),
  section('tfjs-block5', { groups: ['tfjs'], targets: ['m1'], title: 'tfjs-backend-webgpu, block5_conv3' }, (bench) =>
    measureAgainstTfjs(bench, 'm1'),
  ),
  section('tfjs-block1', { groups: ['tfjs'], targets: ['m2'], title: 'tfjs-backend-webgpu, block1_conv1' }, (bench) =>
    measureAgainstTfjs(bench, 'm2'),
  ),
  section('jax', { targets: ['m3'], title: 'jax-js, block5_conv3' }, measureAgainstJax),
  section('samples', { groups: ['scaling'], targets: ['m5'], title: 'scaling in n' }, measureScaling),
  section('classes', { groups: ['scaling'], targets: ['m6'], title: 'scaling in classes' }, measureClasses),
  section('bits', { targets: ['m8'], title: 'the same bits under default limits' }, measureBits),
  section('tuner', { targets: ['m10'], title: 'the tuner' }, measureTuner),
  section('torch', { targets: ['m11'], title: 'PyTorch' }, measureTorch),
  ...Object.keys(OPS).map((stem) =>
    section(`ops.${stem}`, { groups: ['ops'], title: `op ${stem}` }, (bench, session) => runOp(bench, session, stem)),
  ),
];

export interface Findings {
  readonly rows: Row[];
  readonly skipped: Skipped[];
  /** Sections that broke, with what they said. */
  readonly failures: { readonly section: string; readonly error: unknown }[];
}

/**
 * Runs sections one after the other; one that breaks does not take the others with it.
 *
 * @param onSection called after each section with its rows, none where it was skipped, and all that was found so far
 */
export async function runSections(
  bench: Bench,
  sections: readonly Section[],
  {
    asked,
    onSection,
  }: { asked?: ReadonlySet<string>; onSection?: (own: readonly Row[], sofar: Findings) => void } = {},
): Promise<Findings> {
  const session = new Session(bench, asked);
  const findings: Findings = { rows: [], skipped: [], failures: [] };
  for (const each of sections) {
    bench.progress(each.title);
    const before = findings.rows.length;
    try {
      findings.rows.push(...(await each.run(bench, session)));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!(error instanceof Unmeasured)) findings.failures.push({ section: each.name, error });
      findings.skipped.push(...skip(each, reason));
    }
    onSection?.(findings.rows.slice(before), findings);
  }
  return findings;
}

/** A section without rows, in the words of a report. */
export function skip({ name, targets }: Section, reason: string): Skipped[] {
  return (targets.length > 0 ? targets : [name]).map((id) => ({ id, reason }));
}

/**
 * The sections that a list of words asks for, in the order of SECTIONS.
 *
 * @throws RangeError naming the word that is none
 */
export function chooseSections(words: readonly string[]): Section[] {
  const stranger = words.find((word) => !SECTIONS.some(({ answersTo }) => answersTo.includes(word)));
  if (stranger !== undefined) throw new RangeError(stranger);
  return SECTIONS.filter(({ answersTo }) => answersTo.some((word) => words.includes(word)));
}
