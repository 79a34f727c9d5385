// Whether a feature map whose enlargement has this lowest and highest value tells places apart: a constant one does not, nor
// one whose differences float32 cannot hold.
fn is_mask(range: vec2f) -> bool {
  return range.y - range.x >= 1.17549435e-38;
}
