// Where the bits of a ReLU mask belong: a word covers 2 × 2 cells of 8 channels (conv-output.wgsl says in which order).
// The kernel's params have channels, height and width.
struct MaskBlock {
  plane: u32, // sample * planes + channel / 8
  planes: u32, // blocks of 8 channels in a sample
  row: u32,
  column: u32,
}

fn mask_block(word: u32) -> MaskBlock {
  let blocks_y = (params.height + 1u) / 2u;
  let blocks_x = (params.width + 1u) / 2u;
  let planes = (params.channels + 7u) / 8u;
  return MaskBlock(word / (blocks_x * blocks_y), planes, word / blocks_x % blocks_y * 2u, word % blocks_x * 2u);
}

struct MaskCell {
  exists: bool,
  index: u32, // in [samples, channels, height, width]
}

fn mask_cell(block: MaskBlock, bit: u32) -> MaskCell {
  let channel = block.plane % block.planes * 8u + bit / 4u;
  let row = block.row + (bit / 2u) % 2u;
  let column = block.column + bit % 2u;
  let plane = block.plane / block.planes * params.channels + channel;
  return MaskCell(
    channel < params.channels && row < params.height && column < params.width,
    (plane * params.height + row) * params.width + column,
  );
}
