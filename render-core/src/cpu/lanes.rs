//! Eight numbers at a time: one vocabulary, written once with AVX2 and once in plain Rust.
//!
//! Kernels are generic over [`Lanes`] and get a token of an implementation. Holding an [`Avx2`] token proves that
//! the processor has AVX2 and FMA, because [`Avx2::detect`] is its only source; so every method is safe to call
//! unless it reads memory by index. A mask is an integer lane of all ones (true) or zero (false).
#![expect(unsafe_code, reason = "voxels and tables are read by index without bounds checks")]

mod avx2;
mod portable;

pub(crate) use avx2::Avx2;
pub(crate) use portable::Portable;

/// Builds an array over the three axes without a closure.
///
/// Closures are functions of their own, compiled without the kernel's processor features, and then not inlined.
macro_rules! axes {
    ($axis:ident => $body:expr) => {
        [
            {
                let $axis = 0usize;
                $body
            },
            {
                let $axis = 1usize;
                $body
            },
            {
                let $axis = 2usize;
                $body
            },
        ]
    };
}
pub(crate) use axes;

/// Number of lanes.
pub(crate) const WIDTH: usize = 8;

/// A stored voxel type that kernels read directly, as pairs of neighbours along x.
pub(crate) trait PairSample: Copy + Ord + Send + Sync + 'static {
    /// What has to be added to a lane of [`Lanes::gather_pairs`] to get the stored value.
    const OFFSET: f32;
    /// The two values starting at `at`, less [`PairSample::OFFSET`], as two signed 16-bit numbers in one word.
    ///
    /// # Safety
    /// Two values must be readable at `at`.
    unsafe fn pair(at: *const Self) -> u32;
    /// As [`PairSample::pair`], without removing the offset yet.
    ///
    /// # Safety
    /// Two values must be readable at `at`.
    unsafe fn raw_pair(at: *const Self) -> u32;
    /// The value less [`PairSample::OFFSET`].
    fn to_lane(self) -> i16;
    /// Turns eight raw pairs into pairs of signed numbers.
    fn unpack<L: Lanes>(lanes: L, raw: L::I) -> L::I;
}

impl PairSample for i16 {
    const OFFSET: f32 = 0.0;
    #[inline(always)]
    unsafe fn pair(at: *const Self) -> u32 {
        // SAFETY: promised by the caller.
        unsafe { at.cast::<u32>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn raw_pair(at: *const Self) -> u32 {
        // SAFETY: promised by the caller.
        unsafe { Self::pair(at) }
    }
    #[inline(always)]
    fn to_lane(self) -> i16 {
        self
    }
    #[inline(always)]
    fn unpack<L: Lanes>(_: L, raw: L::I) -> L::I {
        raw
    }
}

impl PairSample for u16 {
    const OFFSET: f32 = 32768.0;
    #[inline(always)]
    unsafe fn pair(at: *const Self) -> u32 {
        // SAFETY: promised by the caller.
        unsafe { Self::raw_pair(at) ^ 0x8000_8000 }
    }
    #[inline(always)]
    unsafe fn raw_pair(at: *const Self) -> u32 {
        // SAFETY: promised by the caller.
        unsafe { at.cast::<u32>().read_unaligned() }
    }
    #[inline(always)]
    fn to_lane(self) -> i16 {
        (self ^ 0x8000) as i16
    }
    #[inline(always)]
    fn unpack<L: Lanes>(lanes: L, raw: L::I) -> L::I {
        lanes.xor(raw, lanes.int(0x8000_8000_u32 as i32))
    }
}

impl PairSample for u8 {
    const OFFSET: f32 = 0.0;
    #[inline(always)]
    unsafe fn pair(at: *const Self) -> u32 {
        // SAFETY: promised by the caller.
        let raw = unsafe { Self::raw_pair(at) };
        (raw & 0xff) | ((raw & 0xff00) << 8)
    }
    #[inline(always)]
    unsafe fn raw_pair(at: *const Self) -> u32 {
        // SAFETY: promised by the caller.
        u32::from(unsafe { at.cast::<u16>().read_unaligned() })
    }
    #[inline(always)]
    fn to_lane(self) -> i16 {
        i16::from(self)
    }
    #[inline(always)]
    fn unpack<L: Lanes>(lanes: L, raw: L::I) -> L::I {
        let low = lanes.and(raw, lanes.int(0xff));
        lanes.or(low, lanes.shl::<8>(lanes.and(raw, lanes.int(0xff00))))
    }
}

/// Operations on eight `f32` or `i32` at a time.
///
/// Where an operand of `min` or `max` is NaN the result is the second operand.
pub(crate) trait Lanes: Copy + Send + Sync + 'static {
    /// Eight `f32`.
    type F: Copy;
    /// Eight `i32`, also used for masks.
    type I: Copy;

    fn float(self, v: f32) -> Self::F;
    fn int(self, v: i32) -> Self::I;
    fn floats(self, v: &[f32; WIDTH]) -> Self::F;
    fn ints(self, v: &[i32; WIDTH]) -> Self::I;
    fn float_array(self, v: Self::F) -> [f32; WIDTH];
    fn int_array(self, v: Self::I) -> [i32; WIDTH];

    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`; fused where the processor fuses.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    fn abs(self, a: Self::F) -> Self::F;
    fn floor(self, a: Self::F) -> Self::F;
    fn ceil(self, a: Self::F) -> Self::F;
    fn sqrt(self, a: Self::F) -> Self::F;
    /// Towards zero.
    fn truncate(self, a: Self::F) -> Self::I;
    fn to_float(self, a: Self::I) -> Self::F;
    fn bits_of(self, a: Self::F) -> Self::I;
    fn float_of_bits(self, a: Self::I) -> Self::F;

    fn iadd(self, a: Self::I, b: Self::I) -> Self::I;
    fn isub(self, a: Self::I, b: Self::I) -> Self::I;
    fn imul(self, a: Self::I, b: Self::I) -> Self::I;
    fn imin(self, a: Self::I, b: Self::I) -> Self::I;
    fn imax(self, a: Self::I, b: Self::I) -> Self::I;
    fn and(self, a: Self::I, b: Self::I) -> Self::I;
    fn or(self, a: Self::I, b: Self::I) -> Self::I;
    fn xor(self, a: Self::I, b: Self::I) -> Self::I;
    /// `a & !b`.
    fn and_not(self, a: Self::I, b: Self::I) -> Self::I;
    fn shl<const N: i32>(self, a: Self::I) -> Self::I;
    /// Shifts each lane to the right by the number in another, 0 to 31; zeros come in.
    fn shr_by(self, a: Self::I, by: Self::I) -> Self::I;
    /// Keeps the sign.
    fn shr<const N: i32>(self, a: Self::I) -> Self::I;

    /// Mask of `a < b`.
    fn lt(self, a: Self::F, b: Self::F) -> Self::I;
    /// Mask of `a < b`.
    fn ilt(self, a: Self::I, b: Self::I) -> Self::I;
    /// Mask of `a == b`.
    fn ieq(self, a: Self::I, b: Self::I) -> Self::I;
    /// `mask ? a : b`.
    fn select(self, mask: Self::I, a: Self::F, b: Self::F) -> Self::F;
    /// `mask ? a : b`.
    fn iselect(self, mask: Self::I, a: Self::I, b: Self::I) -> Self::I;
    /// Bit i is the mask of lane i.
    fn mask_bits(self, mask: Self::I) -> u32;

    /// Per lane the lane of `a` whose number `order` holds, 0 to 7.
    fn permute(self, a: Self::I, order: Self::I) -> Self::I;
    /// As [`Lanes::permute`].
    fn permute_floats(self, a: Self::F, order: Self::I) -> Self::F {
        self.float_of_bits(self.permute(self.bits_of(a), order))
    }
    /// An [order](Lanes::permute) from a table that has one for each set of lanes.
    fn order(self, table: &OrderTable, bits: u32) -> Self::I;

    /// Per lane `low(a) * low(b) + high(a) * high(b)` over signed 16-bit halves.
    fn mul_add_pairs(self, a: Self::I, b: Self::I) -> Self::I;

    /// Brings memory into the cache where the processor can be asked to; reads nothing.
    fn prefetch<S>(self, base: *const S, index: Self::I);
    /// Pairs of neighbours along x, as two signed 16-bit halves, less [`PairSample::OFFSET`].
    ///
    /// # Safety
    /// Two samples must be readable at `base + index` for each lane; indices count as unsigned.
    unsafe fn gather_pairs<S: PairSample>(self, base: *const S, index: Self::I) -> Self::I;
    /// Four neighbours along x as two pairs.
    ///
    /// # Safety
    /// Four samples must be readable at `base + index` for each lane; indices count as unsigned.
    unsafe fn gather_quads(self, base: *const i16, index: Self::I) -> [Self::I; 2];
    /// Entries of a table, extended with zeros.
    ///
    /// # Safety
    /// Each index must lie inside the table.
    unsafe fn gather_u16(self, table: &[u16], index: Self::I) -> Self::I;
    /// Entries of a table.
    ///
    /// # Safety
    /// Each index must lie inside the table.
    unsafe fn gather_ints(self, table: &[i32], index: Self::I) -> Self::I;
    /// Low and high words of the entries of a table.
    ///
    /// # Safety
    /// Each index must lie inside the table.
    unsafe fn gather_wide(self, table: &[u64], index: Self::I) -> [Self::I; 2];
    /// Floats of a table.
    ///
    /// # Safety
    /// Each index must lie inside the table.
    unsafe fn gather_floats(self, table: &[f32], index: Self::I) -> Self::F;
}

/// For each set of lanes, an order of all lanes.
pub(crate) type OrderTable = [[u8; WIDTH]; 1 << WIDTH];

/// Brings the lanes of a set to the front, in their order.
pub(crate) static GATHERED: OrderTable = orders(false);
/// The way back from [`GATHERED`].
pub(crate) static SCATTERED: OrderTable = orders(true);

const fn orders(is_inverse: bool) -> OrderTable {
    let mut table = [[0; WIDTH]; 1 << WIDTH];
    let mut set = 0;
    while set < table.len() {
        let (mut lane, mut rank) = (0, 0);
        while lane < WIDTH {
            if set >> lane & 1 == 1 {
                if is_inverse {
                    table[set][lane] = rank as u8;
                } else {
                    table[set][rank] = lane as u8;
                }
                rank += 1;
            }
            lane += 1;
        }
        set += 1;
    }
    table
}

/// `2^x` for `-126.0..=126.0`, relative error below 3e-7. Polynomial fitted to `2^f` on `-0.5..=0.5` (Taylor, degree 6).
#[inline(always)]
pub(crate) fn exp2<L: Lanes>(l: L, x: L::F) -> L::F {
    let x = l.min(l.max(x, l.float(-126.0)), l.float(126.0));
    let whole = l.floor(l.add(x, l.float(0.5)));
    let f = l.sub(x, whole);
    let mut p = l.float(1.540_35e-4);
    for c in [1.333_355_8e-3, 9.618_129e-3, 5.550_411e-2, 2.402_265e-1, std::f32::consts::LN_2, 1.0] {
        p = l.mul_add(p, f, l.float(c));
    }
    let power = l.shl::<23>(l.iadd(l.truncate(whole), l.int(127)));
    l.mul(p, l.float_of_bits(power))
}

/// `log2(x)` for normal positive `x`, absolute error below 1e-6.
///
/// Splits off the exponent and uses the series of `atanh` for the mantissa in `√½..√2`.
#[inline(always)]
pub(crate) fn log2<L: Lanes>(l: L, x: L::F) -> L::F {
    let bits = l.bits_of(x);
    // Centres the mantissa on 1: 0x3f3504f3 is √½.
    let shifted = l.isub(bits, l.int(0x3f35_04f3));
    let exponent = l.shr::<23>(shifted);
    let mantissa = l.float_of_bits(l.isub(bits, l.shl::<23>(exponent)));
    let one = l.float(1.0);
    let s = l.div(l.sub(mantissa, one), l.add(mantissa, one));
    let s2 = l.mul(s, s);
    let mut p = l.float(1.0 / 9.0);
    for c in [1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0, 1.0] {
        p = l.mul_add(p, s2, l.float(c));
    }
    let log = l.mul(l.mul(s, p), l.float(2.0 * std::f32::consts::LOG2_E));
    l.add(l.to_float(exponent), log)
}
