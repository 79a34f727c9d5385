/**
 * What `npm test -- --force-variant NAME` can force: a kernel of convolutions, or traits that an adapter does not have, by which
 * all kernels choose their form. The other runtimes take what they would.
 */
import type { KernelTraits } from '../../src/gpu/gpu.ts';
import { ALL_CONV2D_VARIANTS, CONV2D_VARIANTS, HALF_VARIANTS } from '../../src/ops/conv2d.variants.ts';
import { runtime } from './adapter.ts';
import { AssertionError } from './assertions.ts';

/**
 * Subgroups of another size cannot be made up: kernels would hang on them, or compute something else. SwiftShader has those of 4.
 */
const TRAITS: Readonly<Record<string, Partial<KernelTraits>>> = {
  'without-subgroups': { subgroupSize: 0 },
  'as-gpu': { isSoftware: false },
  'as-gpu-without-subgroups': { isSoftware: false, subgroupSize: 0 },
};

/** Kernels and traits that any test may meet, each forced in turn by --force-each. */
export const FORCIBLE: readonly string[] = [...CONV2D_VARIANTS, ...Object.keys(TRAITS)];
/** Kernels that those tests alone meet whose names say float16. */
export const FORCIBLE_IN_FLOAT16: readonly string[] = HALF_VARIANTS;

const name = runtime === 'node' ? process.env.GRADCAM_TEST_VARIANT : undefined;
if (name !== undefined && ![...FORCIBLE, ...FORCIBLE_IN_FLOAT16].includes(name)) {
  const allowed = [...FORCIBLE, ...FORCIBLE_IN_FLOAT16].join(', ');
  throw new AssertionError(`--force-variant ${name}: there is no such kernel or trait; allowed: ${allowed}`);
}

/** The kernel, as Gpu.request() takes it. */
export const forcedVariant = ALL_CONV2D_VARIANTS.find((variant) => variant === name);
/** The traits, in place of the adapter's own. */
export const forcedTraits: Partial<KernelTraits> | undefined = name === undefined ? undefined : TRAITS[name];
