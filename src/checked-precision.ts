/** The precision in force. What checks others than the default is loaded with the first of them. */
import { onDemand } from './on-demand.ts';
import { DEFAULT_PRECISION, type Precision } from './precision.ts';

/** @throws OptionError for a precision that there is not, or that the owner's features do not allow; LoadError, AbortError */
export async function checkedPrecision(
  asked: Precision | undefined,
  features: ReadonlySet<string>,
  owner: 'adapter' | 'device',
  signal?: AbortSignal,
): Promise<Precision> {
  if (asked === undefined || asked === DEFAULT_PRECISION) return DEFAULT_PRECISION;
  const checks = await onDemand('what checks precisions', () => import('./check-precision.ts'), signal);
  checks.checkHalfFeature(checks.checkPrecision(asked), features, owner);
  return asked;
}
