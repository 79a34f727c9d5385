/** Whether a precision is one, and whether an adapter or a device has what it takes. Loaded where one is asked for. */
import { OptionError } from './errors.ts';
import { HALF_FEATURE, PRECISIONS, type Precision } from './precision.ts';

/** @throws OptionError */
export function checkPrecision(precision: Precision): Precision {
  if (PRECISIONS.includes(precision)) return precision;
  throw new OptionError('precision', precision, PRECISIONS.join(', '));
}

const OTHERWISE = {
  adapter: `this adapter has no ${HALF_FEATURE}, which arithmetic in float16 takes`,
  device:
    `this device has no ${HALF_FEATURE}, which arithmetic in float16 takes. Where the adapter has it, ask for a device with ` +
    "it: Gpu.request({ precision: 'f16' }), requestNodeGpu() and Engine.shared() likewise",
};

/** @throws OptionError */
export function checkHalfFeature(
  precision: Precision,
  features: ReadonlySet<string>,
  owner: keyof typeof OTHERWISE,
): void {
  if (precision !== 'f16' || features.has(HALF_FEATURE)) return;
  throw new OptionError('precision', precision, `f32, f16-storage: ${OTHERWISE[owner]}`);
}
