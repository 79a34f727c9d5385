import { OptionError } from '../errors.ts';
import { COLOR_MAPS, type ColorMapName, colorWords, DIVERGING_COLOR_MAPS } from './color-map.ts';
import { COLOR_TABLES } from './color-tables.ts';

/**
 * The colours of any colour map; see colorWords().
 *
 * @throws OptionError
 */
export function colorTable(name: ColorMapName): Uint32Array<ArrayBuffer> {
  const names: readonly string[] = [...COLOR_MAPS, ...DIVERGING_COLOR_MAPS];
  if (!names.includes(name)) throw new OptionError('colorMap', name, names.join(', '));
  return colorWords(COLOR_TABLES[name]);
}
