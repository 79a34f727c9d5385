/** m10: how good the tuner's choices are. */
import { Unmeasured } from '../bench.ts';
import type { Row } from '../report.ts';

/** @throws Unmeasured: kernels are chosen by rule. */
export async function measureTuner(): Promise<Row[]> {
  throw new Unmeasured('there is no tuner yet; kernels are chosen by rule');
}
