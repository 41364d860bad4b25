//! Changes the order of the axes of an array.

use rayon::prelude::*;

use crate::volume::Voxels;
use crate::with_voxels;

/// Reorders axes: axis `i` of the result is axis `order[i]` of the source. Sizes are those of the source, fastest
/// axis first. Does nothing if the order is as it should be; otherwise needs the memory twice for a moment.
///
/// Sizes must multiply to the number of samples and `order` must be a permutation; else the source comes back.
pub(crate) fn permute(voxels: Voxels, sizes: &[usize], order: &[usize]) -> Voxels {
    // Axes of one sample do not matter, wherever they are.
    let moved: Vec<usize> =
        order.iter().copied().filter(|&a| sizes.get(a).is_some_and(|&n| n != 1)).collect();
    let is_sound = order.len() == sizes.len()
        && (0..sizes.len()).all(|a| order.contains(&a))
        && sizes.iter().product::<usize>() == voxels.len();
    if !is_sound || moved.is_sorted() {
        return voxels;
    }
    let strides: Vec<usize> = sizes
        .iter()
        .scan(1, |stride, &n| {
            let this = *stride;
            *stride *= n;
            Some(this)
        })
        .collect();
    let axes: Vec<(usize, usize)> =
        moved.iter().filter_map(|&a| Some((*sizes.get(a)?, *strides.get(a)?))).collect();
    with_voxels!(voxels, samples => Voxels::from(gather(&samples, &axes)))
}

/// `axes` are (size, stride in the source) of the result's axes, fastest first.
fn gather<T: Copy + Default + Send + Sync>(source: &[T], axes: &[(usize, usize)]) -> Vec<T> {
    let Some((&(row_length, row_stride), outer)) = axes.split_first() else { return source.to_vec() };
    let mut result = vec![T::default(); source.len()];
    result.par_chunks_mut(row_length).enumerate().for_each(|(row, target)| {
        let mut rest = row;
        let mut start = 0;
        for &(size, stride) in outer {
            start += rest % size * stride;
            rest /= size;
        }
        let picked = source.get(start..).unwrap_or_default().iter().step_by(row_stride);
        target.iter_mut().zip(picked).for_each(|(t, s)| *t = *s);
    });
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planar_colours_become_interleaved() {
        let planar = Voxels::U8(vec![1, 2, 3, 4, 10, 20, 30, 40, 100, 101, 102, 103]);
        let result = permute(planar, &[2, 2, 3], &[2, 0, 1]);
        assert_eq!(result, Voxels::U8(vec![1, 10, 100, 2, 20, 101, 3, 30, 102, 4, 40, 103]));
    }

    #[test]
    fn permuting_there_and_back_is_identity() {
        let source = Voxels::I16((0..120).collect());
        let there = permute(source.clone(), &[2, 3, 4, 5], &[3, 0, 2, 1]);
        assert_ne!(there, source);
        assert_eq!(permute(there, &[5, 2, 4, 3], &[1, 3, 2, 0]), source);
    }

    #[test]
    fn axes_of_one_sample_need_no_work() {
        let source = Voxels::U8(vec![1, 2, 3, 4]);
        assert_eq!(permute(source.clone(), &[1, 2, 2], &[1, 2, 0]), source);
    }
}
