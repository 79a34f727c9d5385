/** What the element says of a result. */
import { describe, expect, it } from 'vitest';
import type { ExplanationRecord } from '../../src/element/protocol.ts';
import { captionOf } from '../../src/element/words.ts';

const LABELS = ['bird', 'cat', 'dog'];

const record = (values: { classIndex: number; contrast?: number; label?: string }) =>
  ({
    classIndex: values.classIndex,
    outcome: 'ok',
    predictions: [{ classIndex: 1, label: values.label, probability: 0.9, logit: 5 }],
    options: { method: 'grad-cam', layerName: 'block5_conv3', nSamples: 0, contrast: values.contrast },
  }) as unknown as ExplanationRecord;

describe('a caption', () => {
  it('names a class by the model’s labels where it is none of the first predictions', () => {
    expect(captionOf(record({ classIndex: 2, label: 'cat' }), LABELS)).toBe('Why “dog”: Grad-CAM at block5_conv3');
    expect(captionOf(record({ classIndex: 2 }), undefined)).toBe('Why class 2: Grad-CAM at block5_conv3');
  });

  it('says what the class is held against', () => {
    const contrast = record({ classIndex: 1, contrast: 0, label: 'cat' });
    expect(captionOf(contrast, LABELS)).toBe('Why “cat” (90 %) rather than “bird”: Grad-CAM at block5_conv3');
  });
});
