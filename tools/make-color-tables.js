/**
 * Writes src/image/color-tables.ts, and turbo-table.ts with the one that is the default: the colour maps of d3-scale-chromatic,
 * sampled. The library carries the samples, a kilobyte when compressed, in place of the package and of what it needs to
 * interpolate and to parse colours.
 */
import { writeFileSync } from 'node:fs';
import * as chromatic from 'd3-scale-chromatic';

const SIZE = 256;
/** It has a file of its own: a page does without the others until it asks for one. */
const DEFAULT = 'turbo';

/** @type {Record<string, (share: number) => string>} */
const MAPS = {
  inferno: chromatic.interpolateInferno,
  magma: chromatic.interpolateMagma,
  plasma: chromatic.interpolatePlasma,
  turbo: chromatic.interpolateTurbo,
  viridis: chromatic.interpolateViridis,
  puor: chromatic.interpolatePuOr,
  // d3's goes from red to blue.
  rdbu: (share) => chromatic.interpolateRdBu(1 - share),
};

/**
 * d3 gives '#rrggbb' or 'rgb(r, g, b)'.
 *
 * @param {string} color
 */
function channelsOf(color) {
  if (color.startsWith('#')) return [1, 3, 5].map((i) => Number.parseInt(color.slice(i, i + 2), 16));
  return (color.match(/\d+(\.\d+)?/g) ?? []).map((channel) => Math.round(Number(channel)));
}

const tables = Object.entries(MAPS).map(([name, interpolate]) => {
  const colors = Array.from({ length: SIZE }, (_, i) => channelsOf(interpolate(i / (SIZE - 1))));
  const steps = [0, 1, 2].map((c) =>
    colors.slice(1).map((color, i) => String.fromCharCode('E'.charCodeAt(0) + color[c] - colors[i][c])),
  );
  if (steps.flat().some((step) => !/[A-Z]/.test(step))) throw new Error(`${name} has steps beyond the alphabet`);
  const lines = steps.map((channel) => `    '${channel.join('')}',`);
  return { name, text: `{\n  first: [${colors[0].join(', ')}],\n  steps: [\n${lines.join('\n')}\n  ],\n}` };
});
const entries = tables.map(({ name, text }) => {
  return name === DEFAULT ? `  ${name}: TURBO,` : `  ${name}: ${text.replaceAll('\n', '\n  ')},`;
});

const ABOUT = `in 256 samples: the first colour, and for red, green and blue the step to each
 * next one, 'E' for none, 'F' for one more, 'D' for one less. Made by tools/make-color-tables.js.`;

writeFileSync(
  new URL('../src/image/color-tables.ts', import.meta.url),
  `import { TURBO } from './turbo-table.ts';

/**
 * The colour maps of d3-scale-chromatic, ${ABOUT}
 */
export const COLOR_TABLES = {
${entries.join('\n')}
} as const;
`,
);
writeFileSync(
  new URL('../src/image/turbo-table.ts', import.meta.url),
  `/**
 * d3-scale-chromatic's turbo, ${ABOUT}
 */
export const TURBO = ${tables.find(({ name }) => name === DEFAULT)?.text} as const;
`,
);
