/** What a tool of the caller's computes with: the parts that the methods here are made of, for one layer. */

/** Feature maps or something of their shape, on the GPU. */
export interface TracedTensor {
  /** [maps, height, width]; `buffer` holds the float32 values in this order, from its start. */
  readonly shape: readonly [maps: number, height: number, width: number];
  /**
   * Labelled with the layer and what is in it. Usable as storage, and as source and destination of copies. It may be longer
   * than the values: bind `bytes` of it.
   */
  readonly buffer: GPUBuffer;
  /** Bytes of the values. */
  readonly bytes: number;
  /**
   * Reads the values back.
   *
   * @throws ReleasedError, DeviceLostError
   */
  array(): Promise<Float32Array>;
}

/** A layer's feature maps and the derivatives of the class's logit S with respect to them, behind the layer's ReLU. */
export interface TracedLayer {
  /** The layer's own name, such as 'block5_conv3'. */
  readonly name: string;
  /** [maps, height, width] */
  readonly shape: TracedTensor['shape'];
  /** A, the feature maps of the clean picture; with `activations: 'mean'`, their mean over the noisy copies. */
  readonly activations: TracedTensor;
  /** D1 = Σ_m ω_m g_m / n, the mean gradient g = ∂S/∂A over the n noisy copies; without any, the clean picture's own. */
  readonly gradients: TracedTensor;
  /** D2 = Σ_m ω_m g_m² / n. */
  readonly secondMoments: TracedTensor;
  /** D3 = Σ_m ω_m g_m³ / n. */
  readonly thirdMoments: TracedTensor;
}
