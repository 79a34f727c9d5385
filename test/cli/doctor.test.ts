import { describe, expect, it } from 'vitest';
import { adviceFor } from '../../src/cli/doctor.ts';

describe('adviceFor', () => {
  it('has nothing better than a GPU to offer', () => {
    expect(adviceFor({ kind: 'gpu', lavapipe: 'absent', platform: 'linux' })).toEqual([]);
  });

  it('tells how to come from SwiftShader, or from nothing, to lavapipe', () => {
    for (const kind of ['swiftshader', null] as const) {
      const advice = (lavapipe: 'found' | 'refused' | 'absent') =>
        adviceFor({ kind, lavapipe, platform: 'linux' }).at(-1);
      expect(advice('absent')).toMatch(/install mesa-vulkan-drivers/);
      expect(advice('refused')).toMatch(/refused.*bookworm-backports/);
      expect(advice('found')).toMatch(/--adapter lavapipe/);
    }
  });

  it('recommends lavapipe neither where it is used nor where there is none', () => {
    expect(adviceFor({ kind: 'lavapipe', lavapipe: 'found', platform: 'linux' }).join()).not.toMatch(/lavapipe/);
    expect(adviceFor({ kind: 'software', lavapipe: 'absent', platform: 'win32' }).join()).not.toMatch(/lavapipe/);
  });
});
