//! Lanes on AVX2 and FMA.
//!
//! SAFETY of every intrinsic below: an [`Avx2`] exists only after [`Avx2::detect`] found AVX2 and FMA, and the
//! intrinsics that touch no memory have no other requirement.
#![expect(unsafe_code, reason = "processor intrinsics")]

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use super::portable::Portable as Avx2;

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::Avx2;

#[cfg(not(target_arch = "x86_64"))]
impl Avx2 {
    /// AVX2 exists on x86-64 only.
    pub(crate) fn detect() -> Option<Self> {
        None
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::super::{Lanes, OrderTable, PairSample, WIDTH};

    /// Proof that this processor has AVX2 and FMA.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Avx2(());

    impl Avx2 {
        /// The token, if this processor has what it takes.
        pub(crate) fn detect() -> Option<Self> {
            (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
        }
    }

    /// Wraps one intrinsic as a method.
    macro_rules! lanes_methods {
        ($($name:ident($($arg:ident: $kind:ty),*) -> $out:ty = $body:expr;)*) => {$(
            #[inline(always)]
            fn $name(self, $($arg: $kind),*) -> $out {
                // SAFETY: see the head of this file.
                unsafe { $body }
            }
        )*};
    }

    /// Low and high words of eight 64-bit numbers from an expression over the lane.
    macro_rules! words {
        ($lane:ident => $body:expr) => {{
            // The shuffles below pick words from both registers within each half.
            let a = _mm256_setr_epi64x(
                {
                    let $lane = 0usize;
                    $body as i64
                },
                {
                    let $lane = 1usize;
                    $body as i64
                },
                {
                    let $lane = 4usize;
                    $body as i64
                },
                {
                    let $lane = 5usize;
                    $body as i64
                },
            );
            let b = _mm256_setr_epi64x(
                {
                    let $lane = 2usize;
                    $body as i64
                },
                {
                    let $lane = 3usize;
                    $body as i64
                },
                {
                    let $lane = 6usize;
                    $body as i64
                },
                {
                    let $lane = 7usize;
                    $body as i64
                },
            );
            let (a, b) = (_mm256_castsi256_ps(a), _mm256_castsi256_ps(b));
            let low = _mm256_shuffle_ps::<0b10_00_10_00>(a, b);
            let high = _mm256_shuffle_ps::<0b11_01_11_01>(a, b);
            [_mm256_castps_si256(low), _mm256_castps_si256(high)]
        }};
    }

    /// Eight integers from an expression over the lane; neither a closure nor an array, both of which cost spills.
    macro_rules! eight {
        ($lane:ident => $body:expr) => {
            _mm256_setr_epi32(
                {
                    let $lane = 0usize;
                    $body
                },
                {
                    let $lane = 1usize;
                    $body
                },
                {
                    let $lane = 2usize;
                    $body
                },
                {
                    let $lane = 3usize;
                    $body
                },
                {
                    let $lane = 4usize;
                    $body
                },
                {
                    let $lane = 5usize;
                    $body
                },
                {
                    let $lane = 6usize;
                    $body
                },
                {
                    let $lane = 7usize;
                    $body
                },
            )
        };
    }

    type F = __m256;
    type I = __m256i;

    impl Lanes for Avx2 {
        type F = F;
        type I = I;

        lanes_methods! {
            float(v: f32) -> F = _mm256_set1_ps(v);
            int(v: i32) -> I = _mm256_set1_epi32(v);
            floats(v: &[f32; WIDTH]) -> F = _mm256_loadu_ps(v.as_ptr());
            ints(v: &[i32; WIDTH]) -> I = _mm256_loadu_si256(v.as_ptr().cast());
            add(a: F, b: F) -> F = _mm256_add_ps(a, b);
            sub(a: F, b: F) -> F = _mm256_sub_ps(a, b);
            mul(a: F, b: F) -> F = _mm256_mul_ps(a, b);
            div(a: F, b: F) -> F = _mm256_div_ps(a, b);
            mul_add(a: F, b: F, c: F) -> F = _mm256_fmadd_ps(a, b, c);
            min(a: F, b: F) -> F = _mm256_min_ps(a, b);
            max(a: F, b: F) -> F = _mm256_max_ps(a, b);
            abs(a: F) -> F = _mm256_andnot_ps(_mm256_set1_ps(-0.0), a);
            floor(a: F) -> F = _mm256_floor_ps(a);
            ceil(a: F) -> F = _mm256_ceil_ps(a);
            sqrt(a: F) -> F = _mm256_sqrt_ps(a);
            truncate(a: F) -> I = _mm256_cvttps_epi32(a);
            to_float(a: I) -> F = _mm256_cvtepi32_ps(a);
            bits_of(a: F) -> I = _mm256_castps_si256(a);
            float_of_bits(a: I) -> F = _mm256_castsi256_ps(a);
            iadd(a: I, b: I) -> I = _mm256_add_epi32(a, b);
            isub(a: I, b: I) -> I = _mm256_sub_epi32(a, b);
            imul(a: I, b: I) -> I = _mm256_mullo_epi32(a, b);
            imin(a: I, b: I) -> I = _mm256_min_epi32(a, b);
            imax(a: I, b: I) -> I = _mm256_max_epi32(a, b);
            and(a: I, b: I) -> I = _mm256_and_si256(a, b);
            or(a: I, b: I) -> I = _mm256_or_si256(a, b);
            shr_by(a: I, by: I) -> I = _mm256_srlv_epi32(a, by);
            xor(a: I, b: I) -> I = _mm256_xor_si256(a, b);
            and_not(a: I, b: I) -> I = _mm256_andnot_si256(b, a);
            lt(a: F, b: F) -> I = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_LT_OQ>(a, b));
            ilt(a: I, b: I) -> I = _mm256_cmpgt_epi32(b, a);
            ieq(a: I, b: I) -> I = _mm256_cmpeq_epi32(a, b);
            select(mask: I, a: F, b: F) -> F = _mm256_blendv_ps(b, a, _mm256_castsi256_ps(mask));
            iselect(mask: I, a: I, b: I) -> I = _mm256_blendv_epi8(b, a, mask);
            mask_bits(mask: I) -> u32 = _mm256_movemask_ps(_mm256_castsi256_ps(mask)) as u32;
            permute(a: I, order: I) -> I = _mm256_permutevar8x32_epi32(a, order);
            mul_add_pairs(a: I, b: I) -> I = _mm256_madd_epi16(a, b);
        }

        #[inline(always)]
        fn float_array(self, v: F) -> [f32; WIDTH] {
            let mut out = [0.0; WIDTH];
            // SAFETY: `out` holds eight floats; see also the head of this file.
            unsafe { _mm256_storeu_ps(out.as_mut_ptr(), v) };
            out
        }
        #[inline(always)]
        fn int_array(self, v: I) -> [i32; WIDTH] {
            let mut out = [0; WIDTH];
            // SAFETY: `out` holds eight integers; see also the head of this file.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), v) };
            out
        }
        #[inline(always)]
        fn shl<const N: i32>(self, a: I) -> I {
            // SAFETY: see the head of this file.
            unsafe { _mm256_slli_epi32::<N>(a) }
        }
        #[inline(always)]
        fn shr<const N: i32>(self, a: I) -> I {
            // SAFETY: see the head of this file.
            unsafe { _mm256_srai_epi32::<N>(a) }
        }

        #[inline(always)]
        fn order(self, table: &OrderTable, bits: u32) -> I {
            let order = &table[bits as usize & (table.len() - 1)];
            // SAFETY: an order has the eight bytes that are read; see also the head of this file.
            unsafe { _mm256_cvtepu8_epi32(_mm_loadl_epi64(order.as_ptr().cast())) }
        }
        #[inline(always)]
        fn prefetch<S>(self, base: *const S, index: I) {
            for i in self.int_array(index) {
                // SAFETY: a hint that never faults; see also the head of this file.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(base.wrapping_offset(i as isize).cast()) };
            }
        }
        #[inline(always)]
        unsafe fn gather_pairs<S: PairSample>(self, base: *const S, index: I) -> I {
            // Single loads beat the gather instruction on AMD and never read past the pair.
            let i = self.int_array(index);
            // SAFETY: promised by the caller for every lane; see also the head of this file.
            let raw =
                unsafe { eight!(lane => S::raw_pair(base.wrapping_add(i[lane] as u32 as usize)) as i32) };
            S::unpack(self, raw)
        }
        #[inline(always)]
        unsafe fn gather_quads(self, base: *const i16, index: I) -> [I; 2] {
            let i = self.int_array(index);
            // SAFETY: promised by the caller for every lane; see also the head of this file.
            unsafe {
                words!(lane => base.wrapping_add(i[lane] as u32 as usize).cast::<u64>().read_unaligned())
            }
        }
        #[inline(always)]
        unsafe fn gather_u16(self, table: &[u16], index: I) -> I {
            let i = self.int_array(index);
            debug_assert!(i.iter().all(|&i| (i as usize) < table.len()));
            // SAFETY: the caller promises that each index lies inside the table; see also the head of this file.
            unsafe { eight!(lane => i32::from(*table.get_unchecked(i[lane] as u32 as usize))) }
        }
        #[inline(always)]
        unsafe fn gather_ints(self, table: &[i32], index: I) -> I {
            let i = self.int_array(index);
            debug_assert!(i.iter().all(|&i| (i as usize) < table.len()));
            // SAFETY: the caller promises that each index lies inside the table; see also the head of this file.
            unsafe { eight!(lane => *table.get_unchecked(i[lane] as u32 as usize)) }
        }
        #[inline(always)]
        unsafe fn gather_wide(self, table: &[u64], index: I) -> [I; 2] {
            let i = self.int_array(index);
            debug_assert!(i.iter().all(|&i| (i as usize) < table.len()));
            // SAFETY: the caller promises that each index lies inside the table; see also the head of this file.
            unsafe { words!(lane => *table.get_unchecked(i[lane] as u32 as usize)) }
        }
        #[inline(always)]
        unsafe fn gather_floats(self, table: &[f32], index: I) -> F {
            let i = self.int_array(index);
            debug_assert!(i.iter().all(|&i| (i as usize) < table.len()));
            let base = table.as_ptr().cast::<i32>();
            // SAFETY: the caller promises that each index lies inside the table; see also the head of this file.
            unsafe { _mm256_castsi256_ps(eight!(lane => *base.add(i[lane] as u32 as usize))) }
        }
    }
}
