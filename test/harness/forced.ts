/**
 * What `npm test -- --force-variant NAME` can force: a kernel of convolutions, traits that an adapter does not have, by which
 * all kernels choose their form, or one of each with a comma between them.
 */
import type { KernelTraits } from '../../src/gpu/gpu.ts';
import { ALL_CONV2D_VARIANTS, CONV2D_VARIANTS, HALF_VARIANTS } from '../../src/ops/conv2d.variants.ts';
import { AssertionError } from './assertions.ts';

/**
 * Subgroups of another size cannot be made up: kernels would hang on them, or compute something else. SwiftShader has those of 4.
 */
const TRAITS: Readonly<Record<string, Partial<KernelTraits>>> = {
  'without-subgroups': { subgroupSize: 0 },
  'as-gpu': { isSoftware: false },
  'as-gpu-without-subgroups': { isSoftware: false, subgroupSize: 0 },
};

/**
 * Kernels that have another form without subgroups, which small networks would not choose by themselves: Winograd's three
 * stages, for example, which lavapipe joins.
 */
const OTHER_FORMS = ['direct', 'winograd-2', 'winograd-4'].map((variant) => `${variant},without-subgroups`);

/** Kernels and traits that any test may meet, each forced in turn by --force-each. */
export const FORCIBLE: readonly string[] = [...CONV2D_VARIANTS, ...Object.keys(TRAITS), ...OTHER_FORMS];
/** Kernels that those tests alone meet whose names say float16. */
export const FORCIBLE_IN_FLOAT16: readonly string[] = HALF_VARIANTS;

// Written out for whoever bundles tests for another runtime, which has no environment (test/runtimes/bundle.ts).
const names = process.env.GRADCAM_TEST_VARIANT?.split(',') ?? [];

/** The kernel, as Gpu.request() takes it. */
export const forcedVariant = ALL_CONV2D_VARIANTS.find((variant) => names.includes(variant));
const traits = Object.keys(TRAITS).find((each) => names.includes(each));
/** The traits, in place of the adapter's own. */
export const forcedTraits: Partial<KernelTraits> | undefined = traits === undefined ? undefined : TRAITS[traits];

const unknown = names.filter((name) => name !== forcedVariant && name !== traits);
if (unknown.length > 0) {
  const allowed = `one of ${ALL_CONV2D_VARIANTS.join(', ')}; one of ${Object.keys(TRAITS).join(', ')}`;
  throw new AssertionError(
    `--force-variant ${names}: got "${unknown}"; allowed: ${allowed}; or both, as in ${OTHER_FORMS[0]}`,
  );
}
