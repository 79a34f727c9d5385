/**
 * Draws the pictures of README.md and docs/methods.md, with the built-in model on the scene that stands in for a
 * picture: `npm run build && npm run draw-docs`. On another adapter they may differ in a few pixels by one level.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { METHOD_TABLE, METHODS, SCENE_CLASSES } from '../dist/index.js';
import { root } from './run-on-adapter.js';

/** As many as the tour takes. */
const SAMPLES = 8;
const FUSED_LAYERS = 'block3_conv3,block4_conv3,block5_conv3';
/** What is in the scene. */
const COMPARED_CLASSES = ['tree', 'house'];

const docs = join(root, 'docs');
const pictures = join(docs, 'methods');
const results = mkdtempSync(join(tmpdir(), 'gradcam-docs-'));
try {
  mkdirSync(pictures, { recursive: true });
  gradcam('tour', '--out', docs);
  gradcam('explain', '--method', METHODS[0], '--opacity', '0', '--out', results);
  await copyPixels(join(results, `scene.${METHODS[0]}.png`), join(pictures, 'scene.png'));
  // The built-in model does not end in a global average pooling, which CAM is for.
  for (const method of METHODS.filter((name) => name !== 'cam')) {
    const samples = METHOD_TABLE[method].isSmooth ? SAMPLES : 0;
    gradcam('explain', '--method', method, '--samples', `${samples}`, '--out', results);
    await copyPixels(join(results, `scene.${method}.png`), join(pictures, `${method}.png`));
  }
  gradcam('explain', '--method', 'layer-cam', '--layer', FUSED_LAYERS, '--fusion', 'mean', '--out', results);
  await copyPixels(join(results, 'scene.layer-cam.png'), join(pictures, 'fusion.png'));
  const compared = ['--class', COMPARED_CLASSES.join(), '--difference', '--samples', `${SAMPLES}`];
  gradcam('explain', '--method', 'grad-cam', ...compared, '--out', results);
  const [a, b] = COMPARED_CLASSES.map((label) => SCENE_CLASSES.indexOf(label));
  await copyPixels(join(results, `scene.c${a}-minus-c${b}.grad-cam.png`), join(pictures, 'difference.png'));
} finally {
  rmSync(results, { recursive: true });
}

/**
 * Without the record of how it was made, which names folders of this machine.
 *
 * @param {string} from
 * @param {string} to
 */
async function copyPixels(from, to) {
  await sharp(from).png({ compressionLevel: 9 }).toFile(to);
}

/** @param {string[]} args */
function gradcam(...args) {
  execFileSync(process.execPath, [join(root, 'bin/gradcam.js'), ...args], { cwd: root, stdio: 'inherit' });
}
