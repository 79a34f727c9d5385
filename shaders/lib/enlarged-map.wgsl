// A feature map enlarged bilinearly, one cell at a time: needs bilinear.wgsl, and a kernel with `activations` and the sizes
// in its parameters.
fn enlarged(map: u32, out_row: u32, out_column: u32) -> f32 {
  let base = map * params.height * params.width;
  let row = between((f32(out_row) + 0.5) * f32(params.height) / f32(params.out_height), params.height);
  let column = between((f32(out_column) + 0.5) * f32(params.width) / f32(params.out_width), params.width);
  let top = base + row.low * params.width;
  let bottom = base + row.high * params.width;
  return between_values(
    between_values(activations[top + column.low], activations[top + column.high], column.share),
    between_values(activations[bottom + column.low], activations[bottom + column.high], column.share),
    row.share,
  );
}
