import { arch, platform } from 'node:os';
import { GpuUnavailableError } from '../errors.ts';
import {
  type AdapterKind,
  adapterKind,
  adapterTitle,
  lavapipeEnvironment,
  packagedArchive,
  planAdapter,
  swiftShaderEnvironment,
  userDrivers,
  vulkanDrivers,
} from '../node/adapters.ts';
import { cacheFolder } from '../node/cache-folder.ts';
import { type AdapterReport, probeAdapters } from '../node/probe.ts';
import { VERSION } from '../version.ts';
import type { Context } from './context.ts';

interface SwiftShaderReport {
  /** Version of the package that carries it, or null where it is not installed or does not run. */
  readonly packageVersion: string | null;
  readonly adapter: AdapterReport | null;
  readonly problem: string | null;
}

export interface DoctorFlags {
  adapter?: string;
  json?: boolean;
}

/**
 * `gradcam doctor`: what was found, what is used, and what would be better. Everything is tried out in child processes,
 * so that a broken driver is a finding, not a crash.
 *
 * @throws GpuUnavailableError if nothing can be used.
 */
export async function doctorCommand(flags: DoctorFlags, { terminal }: Context): Promise<void> {
  const found = await probeAdapters({});
  const swiftShader = await reportSwiftShader();
  const plan = planAdapter({
    found,
    wanted: flags.adapter,
    canAddSwiftShader: swiftShader.adapter !== null,
    userDrivers: userDrivers(),
  });
  const used = plan.do === 'use' ? found[plan.index]! : plan.do === 'fail' ? null : swiftShader.adapter;
  const lavapipeFound = found.some((adapter) => adapterKind(adapter) === 'lavapipe');
  const advice = adviceFor({
    kind: used && adapterKind(used),
    lavapipe: lavapipeFound ? 'found' : lavapipeEnvironment() ? 'refused' : 'absent',
    platform: platform(),
  });
  const report = {
    version: VERSION,
    node: process.versions.node,
    platform: `${platform()} ${arch()}`,
    used: used && { kind: adapterKind(used), ...used },
    problem: plan.do === 'fail' ? plan.message : null,
    found: found.map((adapter) => ({ kind: adapterKind(adapter), ...adapter })),
    swiftShader,
    vulkanDrivers: vulkanDrivers(),
    userDrivers: userDrivers() ?? null,
    cache: cacheFolder(),
    advice,
  };
  terminal.print(flags.json ? JSON.stringify(report) : describeReport(report));
  if (plan.do === 'fail') throw new GpuUnavailableError(plan.message);
}

async function reportSwiftShader(): Promise<SwiftShaderReport> {
  const archive = packagedArchive('swiftshader');
  if (!archive) return { packageVersion: null, adapter: null, problem: 'not installed, or not for this machine' };
  try {
    const [adapter] = await probeAdapters(await swiftShaderEnvironment());
    const problem = adapter ? null : 'Dawn finds no adapter with it';
    return { packageVersion: archive.version, adapter: adapter ?? null, problem };
  } catch (error) {
    return { packageVersion: archive.version, adapter: null, problem: (error as Error).message };
  }
}

/** What would make things faster, or work at all. */
export function adviceFor(situation: {
  /** Of the adapter that is used, or null if there is none. */
  readonly kind: AdapterKind | null;
  /** Whether Dawn finds lavapipe, refuses the one that is installed, or there is none. */
  readonly lavapipe: 'found' | 'refused' | 'absent';
  readonly platform: NodeJS.Platform;
}): string[] {
  const { kind, lavapipe, platform } = situation;
  if (kind === 'gpu') return [];
  const advice = ['a GPU with its own driver is tens to hundreds of times faster than an adapter on the CPU'];
  if (platform !== 'linux' || kind === 'lavapipe') return advice;
  const ways = {
    found: 'it is there: leave --adapter out, or ask for it with --adapter lavapipe',
    refused:
      'the one that is installed is refused, as older ones are; on Debian 12, bookworm-backports has a newer one',
    absent: 'install mesa-vulkan-drivers (on Debian 12 from bookworm-backports)',
  };
  return [...advice, `lavapipe from Mesa 25 or later is about five times faster than SwiftShader: ${ways[lavapipe]}`];
}

interface DoctorReport {
  readonly version: string;
  readonly node: string;
  readonly platform: string;
  readonly used: ({ readonly kind: AdapterKind } & AdapterReport) | null;
  readonly problem: string | null;
  readonly found: readonly ({ readonly kind: AdapterKind } & AdapterReport)[];
  readonly swiftShader: SwiftShaderReport;
  readonly vulkanDrivers: readonly string[];
  readonly userDrivers: string | null;
  readonly cache: string;
  readonly advice: readonly string[];
}

function describeReport(report: DoctorReport): string {
  const { used, found, swiftShader } = report;
  const lines = [
    `gradcam ${report.version}, Node ${report.node}, ${report.platform}`,
    `Adapter used: ${used ? `${adapterTitle(used)}, ${KIND_TITLES[used.kind]}` : 'none'}`,
  ];
  if (used) {
    const [smallest, largest] = used.subgroupSizes;
    const subgroups = smallest === largest ? `${smallest}` : `${smallest} to ${largest}`;
    for (const [name, value] of Object.entries(used.limits)) lines.push(`  ${name}: ${describeLimit(name, value)}`);
    for (const feature of ['shader-f16', 'subgroups', 'timestamp-query']) {
      const notes: Readonly<Record<string, string>> = {
        'shader-f16': ', for --precision f16',
        subgroups: ` (${subgroups} lanes)`,
      };
      lines.push(`  ${feature}: ${used.features.includes(feature) ? `yes${notes[feature] ?? ''}` : 'no'}`);
    }
  }
  lines.push('Adapters that Dawn finds by itself:');
  for (const adapter of found) lines.push(`  ${adapterTitle(adapter)}, ${KIND_TITLES[adapter.kind]}`);
  if (found.length === 0) lines.push('  none');
  const packaged = swiftShader.packageVersion ? `@sparticuz/chromium ${swiftShader.packageVersion}` : 'absent';
  const works = swiftShader.adapter ? `works: ${adapterTitle(swiftShader.adapter)}` : swiftShader.problem;
  lines.push(`Packaged SwiftShader: ${packaged}; ${works}`);
  if (report.userDrivers) lines.push(`Drivers named by VK_ICD_FILENAMES or VK_DRIVER_FILES: ${report.userDrivers}`);
  lines.push(`Vulkan drivers: ${report.vulkanDrivers.length === 0 ? 'none' : ''}`.trimEnd());
  for (const file of report.vulkanDrivers) lines.push(`  ${file}`);
  lines.push(`Cache: ${report.cache}`);
  for (const text of report.advice) lines.push(`Better: ${text}`);
  return lines.join('\n');
}

const KIND_TITLES: Readonly<Record<AdapterKind, string>> = {
  gpu: 'a GPU',
  lavapipe: "Mesa's lavapipe, on the CPU",
  swiftshader: 'SwiftShader, on the CPU',
  software: 'on the CPU',
};

function describeLimit(name: string, value: number): string {
  const isBytes = /Size$/.test(name);
  return isBytes && value >= 2 ** 20 ? `${value} (${Math.floor(value / 2 ** 20)} MiB)` : String(value);
}
