import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Folder for what can be made or fetched again: unpacked drivers, downloaded weights. GRADCAM_CACHE names it, otherwise
 * it is gradcam-webgpu in the folder that the operating system keeps for caches. It is not created here.
 */
export function cacheFolder(
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  if (env.GRADCAM_CACHE) return env.GRADCAM_CACHE;
  const name = 'gradcam-webgpu';
  if (platform === 'win32') return join(env.LOCALAPPDATA || join(homedir(), 'AppData', 'Local'), name, 'cache');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', name);
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), name);
}
