import { OptionError } from '../errors.ts';
import { checkOptionNames } from '../option-names.ts';

/**
 * @param call its name, for messages
 * @throws OptionError for a size that is no size
 */
export function checkSize(call: string, size: { height: number; width: number }): void {
  checkOptionNames(call, size, { height: true, width: true });
  for (const side of ['height', 'width'] as const) {
    if (Number.isInteger(size[side]) && size[side] >= 1) continue;
    throw new OptionError(side, size[side], 'a whole number above 0');
  }
}
