/**
 * A seed of its own for each of many things that one seed stands for, 0 … 2^53 − 1. It depends on the name and not on an
 * order, so that work that is added or left out changes nothing for the rest; and two seeds share no things, as they would
 * if one simply counted on from each.
 */
export function derivedSeed(seed: number, name: string): number {
  const text = `${seed} ${name}`;
  return (hash(text, 0x811c9dc5) >>> 11) * 2 ** 32 + hash(text, 0x9e3779b9);
}

/** FNV-1a over UTF-16 code units, with the finaliser of MurmurHash3, so that every bit depends on every character. */
function hash(text: string, basis: number): number {
  let h = basis;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
