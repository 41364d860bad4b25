//! Lanes in plain Rust: arrays of eight, for processors without AVX2 and to test the other one against.
#![expect(unsafe_code, reason = "table reads by index are unsafe in the trait for the sake of AVX2")]

use super::{Lanes, OrderTable, PairSample, WIDTH};

/// Token of the plain implementation; always available.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Portable;

type F = [f32; WIDTH];
type I = [i32; WIDTH];

#[inline(always)]
fn map<A: Copy, B: Copy + Default>(a: [A; WIDTH], f: impl Fn(A) -> B) -> [B; WIDTH] {
    let mut out = [B::default(); WIDTH];
    for i in 0..WIDTH {
        out[i] = f(a[i]);
    }
    out
}

#[inline(always)]
fn zip<A: Copy, B: Copy + Default>(a: [A; WIDTH], b: [A; WIDTH], f: impl Fn(A, A) -> B) -> [B; WIDTH] {
    let mut out = [B::default(); WIDTH];
    for i in 0..WIDTH {
        out[i] = f(a[i], b[i]);
    }
    out
}

#[inline(always)]
fn mask(condition: bool) -> i32 {
    -i32::from(condition)
}

impl Lanes for Portable {
    type F = F;
    type I = I;

    #[inline(always)]
    fn float(self, v: f32) -> F {
        [v; WIDTH]
    }
    #[inline(always)]
    fn int(self, v: i32) -> I {
        [v; WIDTH]
    }
    #[inline(always)]
    fn floats(self, v: &[f32; WIDTH]) -> F {
        *v
    }
    #[inline(always)]
    fn ints(self, v: &[i32; WIDTH]) -> I {
        *v
    }
    #[inline(always)]
    fn float_array(self, v: F) -> [f32; WIDTH] {
        v
    }
    #[inline(always)]
    fn int_array(self, v: I) -> [i32; WIDTH] {
        v
    }

    #[inline(always)]
    fn add(self, a: F, b: F) -> F {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: F, b: F) -> F {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: F, b: F) -> F {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: F, b: F) -> F {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, a: F, b: F, c: F) -> F {
        zip(zip(a, b, |a, b| a * b), c, |ab, c| ab + c)
    }
    #[inline(always)]
    fn min(self, a: F, b: F) -> F {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn max(self, a: F, b: F) -> F {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn abs(self, a: F) -> F {
        map(a, f32::abs)
    }
    #[inline(always)]
    fn floor(self, a: F) -> F {
        map(a, f32::floor)
    }
    #[inline(always)]
    fn ceil(self, a: F) -> F {
        map(a, f32::ceil)
    }
    #[inline(always)]
    fn sqrt(self, a: F) -> F {
        map(a, f32::sqrt)
    }
    #[inline(always)]
    fn truncate(self, a: F) -> I {
        map(a, |v| v as i32)
    }
    #[inline(always)]
    fn to_float(self, a: I) -> F {
        map(a, |v| v as f32)
    }
    #[inline(always)]
    fn bits_of(self, a: F) -> I {
        map(a, |v| v.to_bits() as i32)
    }
    #[inline(always)]
    fn float_of_bits(self, a: I) -> F {
        map(a, |v| f32::from_bits(v as u32))
    }

    #[inline(always)]
    fn iadd(self, a: I, b: I) -> I {
        zip(a, b, i32::wrapping_add)
    }
    #[inline(always)]
    fn isub(self, a: I, b: I) -> I {
        zip(a, b, i32::wrapping_sub)
    }
    #[inline(always)]
    fn imul(self, a: I, b: I) -> I {
        zip(a, b, i32::wrapping_mul)
    }
    #[inline(always)]
    fn imin(self, a: I, b: I) -> I {
        zip(a, b, Ord::min)
    }
    #[inline(always)]
    fn imax(self, a: I, b: I) -> I {
        zip(a, b, Ord::max)
    }
    #[inline(always)]
    fn and(self, a: I, b: I) -> I {
        zip(a, b, |a, b| a & b)
    }
    #[inline(always)]
    fn or(self, a: I, b: I) -> I {
        zip(a, b, |a, b| a | b)
    }
    #[inline(always)]
    fn shr_by(self, a: I, by: I) -> I {
        zip(a, by, |a, by| ((a as u32) >> by) as i32)
    }
    #[inline(always)]
    fn xor(self, a: I, b: I) -> I {
        zip(a, b, |a, b| a ^ b)
    }
    #[inline(always)]
    fn and_not(self, a: I, b: I) -> I {
        zip(a, b, |a, b| a & !b)
    }
    #[inline(always)]
    fn shl<const N: i32>(self, a: I) -> I {
        map(a, |v| v << N)
    }
    #[inline(always)]
    fn shr<const N: i32>(self, a: I) -> I {
        map(a, |v| v >> N)
    }

    #[inline(always)]
    fn lt(self, a: F, b: F) -> I {
        zip(a, b, |a, b| mask(a < b))
    }
    #[inline(always)]
    fn ilt(self, a: I, b: I) -> I {
        zip(a, b, |a, b| mask(a < b))
    }
    #[inline(always)]
    fn ieq(self, a: I, b: I) -> I {
        zip(a, b, |a, b| mask(a == b))
    }
    #[inline(always)]
    fn select(self, mask: I, a: F, b: F) -> F {
        let mut out = b;
        for i in 0..WIDTH {
            if mask[i] != 0 {
                out[i] = a[i];
            }
        }
        out
    }
    #[inline(always)]
    fn iselect(self, mask: I, a: I, b: I) -> I {
        let mut out = b;
        for i in 0..WIDTH {
            if mask[i] != 0 {
                out[i] = a[i];
            }
        }
        out
    }
    #[inline(always)]
    fn mask_bits(self, mask: I) -> u32 {
        (0..WIDTH).fold(0, |bits, i| bits | (u32::from(mask[i] < 0) << i))
    }

    #[inline(always)]
    fn permute(self, a: I, order: I) -> I {
        map(order, |lane| a[lane as usize & (WIDTH - 1)])
    }
    #[inline(always)]
    fn order(self, table: &OrderTable, bits: u32) -> I {
        map(table[bits as usize & (table.len() - 1)], i32::from)
    }
    #[inline(always)]
    fn mul_add_pairs(self, a: I, b: I) -> I {
        let (low, high) = (|v: i32| i32::from(v as i16), |v: i32| v >> 16);
        zip(a, b, |a, b| low(a) * low(b) + high(a) * high(b))
    }

    #[inline(always)]
    fn prefetch<S>(self, _: *const S, _: I) {}
    #[inline(always)]
    unsafe fn gather_pairs<S: PairSample>(self, base: *const S, index: I) -> I {
        // SAFETY: promised by the caller for every lane.
        map(index, |i| unsafe { S::pair(base.wrapping_add(i as u32 as usize)) } as i32)
    }
    #[inline(always)]
    unsafe fn gather_u16(self, table: &[u16], index: I) -> I {
        map(index, |i| i32::from(table[i as usize]))
    }
    #[inline(always)]
    unsafe fn gather_quads(self, base: *const i16, index: I) -> [I; 2] {
        // SAFETY: promised by the caller for every lane.
        let pair = |i: i32, at: usize| unsafe { i16::pair(base.wrapping_add(i as u32 as usize + at)) as i32 };
        [map(index, |i| pair(i, 0)), map(index, |i| pair(i, 2))]
    }
    #[inline(always)]
    unsafe fn gather_ints(self, table: &[i32], index: I) -> I {
        map(index, |i| table[i as usize])
    }
    #[inline(always)]
    unsafe fn gather_wide(self, table: &[u64], index: I) -> [I; 2] {
        [map(index, |i| table[i as usize] as i32), map(index, |i| (table[i as usize] >> 32) as i32)]
    }
    #[inline(always)]
    unsafe fn gather_floats(self, table: &[f32], index: I) -> F {
        map(index, |i| table[i as usize])
    }
}
