// Index of this workgroup in the one-dimensional grid that the host asked for. The host folds long grids into rows
// (65,535 workgroups at most in one dimension) and may launch a grid in parts, of which this one begins at `first`.
// A folded grid has a few workgroups too many: kernels return where the index is not below params.grid_end.
fn workgroup_index(id: vec3u, count: vec3u, first: u32) -> u32 {
  return first + id.y * count.x + id.x;
}
