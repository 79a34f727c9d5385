/** Two maps of one picture, one minus the other. */
import { OptionError } from './errors.ts';
import type { Explanation, HeatMaps } from './explanation.ts';
import { largestSize, normalizedMaps } from './image/normalize.ts';

/**
 * Where a map shows more than another one of the same picture, of another class, method, layer or model: each divided by its
 * largest value and enlarged bilinearly to the larger of the two, D = a / max a − b / max b, −1 … 1. Draw it with a diverging
 * colour map: `a.overlay({ heat: differenceMap(a, b), colorMap: 'rdbu' })`.
 *
 * It compares two answers, and is no answer of the network to why it is a rather than b: that is the option `contrast` of
 * explain().
 *
 * @param a a result; where there are several maps, as many as in `b`
 * @param b another one
 * @throws OptionError for results of two pictures, or of two parts of one
 */
export function differenceMap(
  a: Pick<Explanation, 'map' | 'view'> & ComparedPicture,
  b: Pick<Explanation, 'map' | 'view'> & ComparedPicture,
): HeatMaps {
  const [one, other] = [a, b].map(({ provenance: { picture } }) => picture.checksum);
  if (one !== other) throw new OptionError('picture', other, `that of the other result, ${one}`);
  const sides = ['left', 'top', 'width', 'height'] as const;
  if (sides.some((side) => a.view[side] !== b.view[side])) {
    throw new OptionError('view', b.view, 'that of the other result: explain both with the same fit and input size');
  }
  const [count] = a.map.shape;
  if (b.map.shape[0] !== count) {
    throw new OptionError('maps', b.map.shape[0], `${count}, as many as the other result has`);
  }
  const { height, width } = largestSize([a.map, b.map]);
  const data = normalizedMaps(a.map, { height, width });
  const subtracted = normalizedMaps(b.map, { height, width });
  return { data: data.map((value, i) => value - subtracted[i]), shape: [count, height, width] };
}

interface ComparedPicture {
  readonly provenance: { readonly picture: { readonly checksum: string } };
}
