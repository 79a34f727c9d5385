// Winograd's minimal filtering in one dimension, for kernels of 3 taps: α = m + 2 products give m outputs (Lavin and
// Gray, Fast Algorithms for Convolutional Neural Networks, 2016). A tile of the picture takes each transform twice, along
// its columns and along its rows. A kernel says what it transforms: `alias Cell`, f32 or vectors of it.
// F(2, 3) has the points 0, 1, -1, ∞. F(4, 3) has 0, ±2/3, ±3/2, ∞: of the symmetric choices these give the least rounding
// error, half of that of the usual 0, ±1, ±2, ∞ (Barabasz et al., Error analysis and improving the accuracy of Winograd
// convolution, 2020, on how). Both signs of a point share their even and their odd part.
#if TILE_4
const TILE = 4u;
const PATCH = 6u;
alias Patch = array<Cell, 6>;
alias Outputs = array<Cell, 4>;
const P = 2.0 / 3.0;
const Q = 3.0 / 2.0;
const P2 = P * P;
const Q2 = Q * Q;

// Bᵀ d
fn transform_input(d: Patch) -> Patch {
  let even_p = fma(Cell(Q2), d[2], -d[4]);
  let odd_p = fma(Cell(Q2), d[1], -d[3]);
  let even_q = fma(Cell(-P2), d[2], d[4]);
  let odd_q = fma(Cell(-P2), d[1], d[3]);
  return Patch(
    fma(Cell(-(P2 + Q2)), d[2], d[0] + d[4]),
    fma(Cell(P), odd_p, even_p),
    fma(Cell(-P), odd_p, even_p),
    fma(Cell(Q), odd_q, even_q),
    fma(Cell(-Q), odd_q, even_q),
    fma(Cell(-(P2 + Q2)), d[3], d[1] + d[5]),
  );
}

// G g
fn transform_filter(g0: Cell, g1: Cell, g2: Cell) -> Patch {
  const SCALE = 1.0 / (2.0 * (Q2 - P2));
  let odd_p = fma(Cell(SCALE * P), g2, (SCALE * Q) * g0);
  let odd_q = fma(Cell(SCALE * Q), g2, (SCALE * P) * g0);
  // A product that is added without fma is rounded, or not, as the compiler likes.
  let scale = Cell(SCALE);
  return Patch(g0, fma(scale, g1, odd_p), fma(scale, g1, -odd_p), fma(scale, g1, odd_q), fma(scale, g1, -odd_q), g2);
}

// Aᵀ m
fn transform_output(m: Patch) -> Outputs {
  let even_p = m[1] + m[2];
  let odd_p = m[1] - m[2];
  let even_q = m[3] + m[4];
  let odd_q = m[3] - m[4];
  // P odd_p, but no bare product: of fma(a, b, c * d) + e, which the caller makes, Mesa makes fma(a, b, fma(c, d, e)), and
  // then rounds otherwise than others do.
  let p_odd_p = fma(Cell(P - 1.0), odd_p, odd_p);
  return Outputs(
    fma(Cell(P), odd_q, fma(Cell(Q), odd_p, m[0])),
    even_p + even_q,
    fma(Cell(Q), odd_q, p_odd_p),
    fma(Cell(Q2), even_q, fma(Cell(P2), even_p, m[5])),
  );
}

// The same, as what each product adds to the outputs.
const OUTPUT_WEIGHTS = array<vec4f, PATCH>(
  vec4f(1.0, 0.0, 0.0, 0.0),
  vec4f(Q, 1.0, P, P2),
  vec4f(-Q, 1.0, -P, P2),
  vec4f(P, 1.0, Q, Q2),
  vec4f(-P, 1.0, -Q, Q2),
  vec4f(0.0, 0.0, 0.0, 1.0),
);
#else
const TILE = 2u;
const PATCH = 4u;
alias Patch = array<Cell, 4>;
alias Outputs = array<Cell, 2>;

// Bᵀ d
fn transform_input(d: Patch) -> Patch {
  return Patch(d[0] - d[2], d[2] + d[1], d[2] - d[1], d[3] - d[1]);
}

// G g
fn transform_filter(g0: Cell, g1: Cell, g2: Cell) -> Patch {
  let even = 0.5 * (g0 + g2);
  let odd = 0.5 * g1;
  return Patch(g0, even + odd, even - odd, g2);
}

// Aᵀ m
fn transform_output(m: Patch) -> Outputs {
  return Outputs(m[0] + m[1] + m[2], m[1] - m[2] + m[3]);
}

// The same, as what each product adds to the outputs.
const OUTPUT_WEIGHTS = array<vec2f, PATCH>(vec2f(1.0, 0.0), vec2f(1.0, 1.0), vec2f(1.0, -1.0), vec2f(0.0, 1.0));
#endif
