//! Slices at arbitrary depths onto an even grid: every slice at its true place, gaps left empty, nothing stretched.
//!
//! The depths are distances along the slice normal. If they are even, or even with places left out, each slice keeps
//! its own values. Else slices of the grid between two neighbours are mixed from both in proportion to distance.
//! Where two neighbours are too far apart to have been acquired side by side ([`GAP_FACTOR`]), the grid is filled no
//! further than half a slice from each; the middle stays empty.

use crate::verdict::GAP_FACTOR;

/// Slices closer than this along the normal are at the same place; positions are written to about 1 µm.
pub(super) const SAME_PLACE_MM: f64 = 0.002;

/// One acquired place along the normal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    /// Position along the normal.
    pub(super) depth_mm: f64,
    /// Slice thickness, if stated. Only its change along the stack matters.
    pub(super) thickness_mm: Option<f64>,
}

/// Where the values of one slice of the grid come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fill {
    /// The acquired place with this number.
    Place(usize),
    /// Between this place and the next, at the given share of the way.
    Between(usize, f64),
    /// Nothing was acquired here.
    Empty,
}

/// What is odd about the distances.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Distances {
    pub(super) min_mm: f64,
    pub(super) max_mm: f64,
    /// What most slices are apart.
    pub(super) usual_mm: f64,
    /// Whether distances differ by more than 1 % or 0.1 mm.
    pub(super) is_uneven: bool,
    /// Slices of the grid in front of gaps.
    pub(super) after_slice: Vec<usize>,
    /// How many slices of the usual distance would fill the gaps, if all gaps are whole multiples of it.
    pub(super) missing: Option<usize>,
    /// Whether there are two slices and nothing to hold their distance against.
    pub(super) is_unconfirmed: bool,
}

/// How slices lie on an even grid between the first and the last place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grid {
    pub(super) fills: Vec<Fill>,
    pub(super) distances: Distances,
}

/// What became of the depths.
#[derive(Debug, PartialEq)]
pub(super) enum Fit {
    Grid(Grid),
    /// Gaps far larger than the slices around them, before these places; no grid should bridge them.
    Apart(Vec<usize>),
}

/// Fits places, in ascending order of depth, to a grid.
///
/// `stated_mm` is Spacing Between Slices; it only serves to judge two slices alone. Without it their thickness does:
/// slices that touch are neighbours, slices ten times as far apart as they are thick are no stack.
pub(super) fn fit(places: &[Place], stated_mm: Option<f64>) -> Fit {
    let depths: Vec<f64> = places.iter().map(|place| place.depth_mm).collect();
    let gaps: Vec<f64> = depths.iter().zip(depths.iter().skip(1)).map(|(a, b)| b - a).collect();
    let (Some(&first), Some(&last)) = (depths.first(), depths.last()) else {
        return Fit::Grid(Grid { fills: Vec::new(), distances: Distances::default() });
    };
    if gaps.is_empty() {
        return Fit::Grid(Grid { fills: vec![Fill::Place(0)], distances: Distances::default() });
    }
    let span = last - first;
    let stated = stated_mm.filter(|stated| *stated > SAME_PLACE_MM);
    let thickness = places.iter().filter_map(|place| place.thickness_mm).reduce(f64::max);
    let is_confirmed = match (gaps.as_slice(), stated, thickness) {
        ([only], None, Some(thickness)) if *only > 10.0 * thickness => return Fit::Apart(vec![1]),
        ([only], None, thickness) => thickness.is_some_and(|thickness| *only < GAP_FACTOR * thickness),
        _ => true,
    };
    let usual = match (gaps.as_slice(), stated) {
        ([only], Some(stated)) if *only >= GAP_FACTOR * stated => stated,
        _ => median(&gaps),
    };
    let (min_mm, max_mm) = gaps.iter().fold((f64::MAX, 0.0f64), |(lo, hi), &gap| (lo.min(gap), hi.max(gap)));
    let deviation = (max_mm - usual).max(usual - min_mm);
    let distances = Distances {
        min_mm,
        max_mm,
        usual_mm: usual,
        is_uneven: deviation > (0.01 * usual).clamp(SAME_PLACE_MM, 0.1),
        is_unconfirmed: !is_confirmed,
        ..Distances::default()
    };
    let is_on_grid = |indices: &[usize]| is_on_grid(&depths, indices);
    let regular: Vec<usize> = (0..depths.len()).collect();
    if max_mm < GAP_FACTOR * usual && is_on_grid(&regular) {
        let fills = regular.into_iter().map(Fill::Place).collect();
        return Fit::Grid(Grid { fills, distances });
    }
    let room = 2 * depths.len() + 16;
    if span / usual > room as f64 {
        let apart: Vec<usize> =
            gaps.iter().enumerate().filter(|(_, gap)| **gap > 3.0 * usual).map(|(i, _)| i + 1).collect();
        if !apart.is_empty() {
            return Fit::Apart(apart);
        }
    }
    let is_open = open_gaps(places, usual);
    // The coarsest grid on which every slice keeps its own values, else one of the usual distance.
    let exact = [1.0, 2.0, 3.0].into_iter().find_map(|parts| {
        let indices = indices(&gaps, usual / parts);
        let total = indices.last().map_or(0, |last| last + 1);
        (total <= room && is_on_grid(&indices)).then_some((indices, parts as usize))
    });
    let Some((indices, parts)) = exact else {
        let total = ((span / usual).round().max(1.0) as usize + 1).min(room);
        let grid = Grid { fills: mixed(places, total, usual, &is_open), distances };
        return Fit::Grid(grid.noting_gaps(&is_open, None));
    };
    let total = indices.last().map_or(0, |last| last + 1);
    let step = span / total.saturating_sub(1).max(1) as f64;
    let mut fills = vec![Fill::Empty; total];
    for (i, pair) in indices.windows(2).enumerate() {
        let &[from, to] = pair else { continue };
        let is_open = is_open.get(i).copied().unwrap_or(true);
        let (Some(&below), Some(&gap)) = (depths.get(i), gaps.get(i)) else { continue };
        for (k, fill) in fills.iter_mut().enumerate().take(to).skip(from) {
            *fill = match k - from {
                0 => Fill::Place(i),
                _ if is_open => Fill::Empty,
                _ => Fill::Between(i, ((first + step * k as f64 - below) / gap).clamp(0.0, 1.0)),
            };
        }
    }
    if let Some(fill) = fills.last_mut() {
        *fill = Fill::Place(depths.len() - 1);
    }
    let empty = fills.iter().filter(|fill| **fill == Fill::Empty).count();
    Fit::Grid(Grid { fills, distances }.noting_gaps(&is_open, (parts == 1).then_some(empty)))
}

impl Grid {
    /// Writes down where the open gaps are, as slices of the grid.
    fn noting_gaps(mut self, is_open: &[bool], missing: Option<usize>) -> Self {
        let nearest = |place: usize| {
            self.fills.iter().rposition(|fill| match fill {
                Fill::Place(i) | Fill::Between(i, _) => *i <= place,
                Fill::Empty => false,
            })
        };
        let open = is_open.iter().enumerate().filter(|(_, is_open)| **is_open);
        let after_slice: Vec<usize> = open.filter_map(|(place, _)| nearest(place)).collect();
        self.distances.missing = missing.filter(|_| !after_slice.is_empty());
        self.distances.after_slice = after_slice;
        self
    }
}

/// Which gaps are too wide to have been acquired side by side.
///
/// A stack whose slices become thicker may lie further apart there: the usual distance follows the thickness.
fn open_gaps(places: &[Place], usual: f64) -> Vec<bool> {
    let reach = |place: &Place| reach(places, place, usual);
    places
        .iter()
        .zip(places.iter().skip(1))
        .map(|(a, b)| {
            let expected = 0.5 * (reach(a) + reach(b));
            b.depth_mm - a.depth_mm >= GAP_FACTOR * expected - SAME_PLACE_MM
        })
        .collect()
}

/// How much of the normal one slice stands for: the usual distance, more for slices thicker than others.
///
/// Thickness alone is no measure, since slices may overlap; so neither it nor its ratio to the thinnest slice is
/// exceeded.
fn reach(places: &[Place], place: &Place, usual: f64) -> f64 {
    let thinnest = places.iter().map(|p| p.thickness_mm).try_fold(f64::MAX, |least, t| Some(t?.min(least)));
    match (place.thickness_mm, thinnest) {
        (Some(thickness), Some(thinnest)) if thinnest > 0.0 && thickness > 1.05 * thinnest => {
            (usual * thickness / thinnest).min(usual.max(thickness))
        }
        _ => usual,
    }
}

/// Whether depths lie at `indices` of an even grid from the first to the last.
///
/// Positions are often rounded to 0.1 mm; that is no reason to mix slices.
fn is_on_grid(depths: &[f64], indices: &[usize]) -> bool {
    let (Some(first), Some(last), Some(&steps)) = (depths.first(), depths.last(), indices.last()) else {
        return false;
    };
    let step = (last - first) / steps.max(1) as f64;
    let tolerance = (0.1 * step).clamp(0.001, 0.1);
    depths.iter().zip(indices).all(|(d, &i)| (d - first - step * i as f64).abs() <= tolerance)
}

/// Places on a grid of the given step, one after the other.
fn indices(gaps: &[f64], step: f64) -> Vec<usize> {
    let mut at = 0;
    let mut indices = vec![0];
    for gap in gaps {
        at += ((gap / step).round() as usize).max(1);
        indices.push(at);
    }
    indices
}

/// For each of `total` evenly spread depths: what lies there.
fn mixed(places: &[Place], total: usize, usual: f64, is_open: &[bool]) -> Vec<Fill> {
    let depth = |i: usize| places.get(i).map(|place| place.depth_mm);
    let (Some(first), Some(last)) = (depth(0), depth(places.len() - 1)) else { return Vec::new() };
    let step = (last - first) / total.saturating_sub(1).max(1) as f64;
    (0..total)
        .map(|k| {
            let here = first + step * k as f64;
            let below = places.partition_point(|place| place.depth_mm <= here + 1e-9).saturating_sub(1);
            let (Some(a), Some(b)) = (places.get(below), places.get(below + 1)) else {
                return Fill::Place(below);
            };
            let share = ((here - a.depth_mm) / (b.depth_mm - a.depth_mm)).clamp(0.0, 1.0);
            let (from_a, to_b) = (here - a.depth_mm, b.depth_mm - here);
            match is_open.get(below) {
                _ if share < 1e-6 => Fill::Place(below),
                _ if share > 1.0 - 1e-6 => Fill::Place(below + 1),
                Some(false) => Fill::Between(below, share),
                _ if from_a <= 0.5 * reach(places, a, usual) => Fill::Place(below),
                _ if to_b <= 0.5 * reach(places, b, usual) => Fill::Place(below + 1),
                _ => Fill::Empty,
            }
        })
        .collect()
}

/// Lower median, so that with two gaps the smaller counts as the spacing.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(1.0).max(SAME_PLACE_MM)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(depths: &[f64]) -> Vec<Place> {
        depths.iter().map(|&depth_mm| Place { depth_mm, thickness_mm: None }).collect()
    }

    fn grid(depths: &[f64], stated_mm: Option<f64>) -> Grid {
        match fit(&places(depths), stated_mm) {
            Fit::Grid(grid) => grid,
            Fit::Apart(before) => panic!("apart before {before:?}"),
        }
    }

    /// Which place each slice of the grid shows; `None` for empty and mixed ones.
    fn own(grid: &Grid) -> Vec<Option<usize>> {
        let place = |fill: &Fill| if let Fill::Place(i) = fill { Some(*i) } else { None };
        grid.fills.iter().map(place).collect()
    }

    #[test]
    fn gaps_of_whole_multiples_are_places_left_empty() {
        assert_eq!(own(&grid(&[0.0, 1.0, 2.0, 3.0], None)), [Some(0), Some(1), Some(2), Some(3)]);
        let one = grid(&[0.0, 1.0, 3.0, 4.0], None);
        assert_eq!(own(&one), [Some(0), Some(1), None, Some(2), Some(3)]);
        assert_eq!((one.fills[2], one.distances.missing), (Fill::Empty, Some(1)));
        assert_eq!(one.distances.after_slice, [1]);
        let three = grid(&[0.0, 5.0, 15.0], None);
        assert_eq!(own(&three), [Some(0), Some(1), None, Some(2)]);
    }

    #[test]
    fn rounded_positions_keep_their_own_values_and_are_noted() {
        let rounded: Vec<f64> = (0..40).map(|i| (f64::from(i) * 0.625 * 10.0).round() / 10.0).collect();
        let grid_of_rounded = grid(&rounded, None);
        assert_eq!(grid_of_rounded.fills, (0..40).map(Fill::Place).collect::<Vec<_>>());
        assert!(grid_of_rounded.distances.is_uneven);
        assert!(!grid(&[0.0, 1.0, 2.0, 3.000_5], None).distances.is_uneven);
    }

    #[test]
    fn distances_more_than_one_percent_or_a_tenth_off_are_uneven() {
        let is_uneven = |last| grid(&[0.0, 5.0, 10.0, last], None).distances.is_uneven;
        assert!(!is_uneven(15.04) && is_uneven(15.06), "1 % of 5 mm");
        let is_uneven = |last| grid(&[0.0, 20.0, 40.0, last], None).distances.is_uneven;
        assert!(!is_uneven(60.09) && is_uneven(60.11), "0.1 mm");
    }

    #[test]
    fn a_step_that_divides_all_distances_keeps_every_slice_whole() {
        // Thin and thick slices: 2.5 and 5 mm apart; the thick ones state their thickness.
        let depths = [0.0, 2.5, 5.0, 7.5, 12.5, 17.5];
        let thick = |d: f64| if d > 7.5 { 5.0 } else { 2.5 };
        let stated: Vec<Place> =
            depths.iter().map(|&d| Place { depth_mm: d, thickness_mm: Some(thick(d)) }).collect();
        let Fit::Grid(of_thick) = fit(&stated, None) else { panic!() };
        assert_eq!(own(&of_thick), [Some(0), Some(1), Some(2), Some(3), None, Some(4), None, Some(5)]);
        assert_eq!(of_thick.fills[6], Fill::Between(4, 0.5), "5 mm thick slices 5 mm apart touch");
        // The same distances between slices of one thickness are gaps.
        assert_eq!(grid(&depths, None).fills[6], Fill::Empty);
    }

    #[test]
    fn a_wide_gap_is_filled_half_a_slice_from_each_side_and_no_further() {
        let depths = [0.0, 4.0, 8.0, 21.0, 25.0];
        let found = grid(&depths, None);
        let step = 25.0 / (found.fills.len() - 1) as f64;
        assert!(found.fills.contains(&Fill::Empty));
        for (k, fill) in found.fills.iter().enumerate() {
            let depth = step * k as f64;
            let is_in_gap = depth > 10.0 && depth < 19.0;
            assert_eq!(*fill == Fill::Empty, is_in_gap, "{k}: {fill:?} at {depth}");
            match *fill {
                Fill::Place(i) => assert!((depths[i] - depth).abs() <= 2.0, "{k}"),
                Fill::Between(i, share) => {
                    assert!((depths[i] + share * (depths[i + 1] - depths[i]) - depth).abs() < 1e-9, "{k}");
                }
                Fill::Empty => {}
            }
        }
        assert_eq!((found.distances.missing, found.distances.max_mm), (None, 13.0));
    }

    #[test]
    fn two_slices_are_held_against_the_stated_distance() {
        assert!(grid(&[0.0, 40.0], None).distances.is_unconfirmed);
        let touching = grid(&[0.0, 5.0], Some(5.0));
        assert_eq!((touching.fills.len(), touching.distances.is_unconfirmed), (2, false));
        let far = grid(&[0.0, 20.0], Some(5.0));
        assert_eq!(own(&far), [Some(0), None, None, None, Some(1)]);
        assert_eq!(far.distances.missing, Some(3));
        assert_eq!(fit(&places(&[0.0, 200.0]), Some(5.0)), Fit::Apart(vec![1]));
        let of_thickness = |thickness| {
            let thick = |depth_mm| Place { depth_mm, thickness_mm: Some(thickness) };
            match fit(&[thick(0.0), thick(20.0)], None) {
                Fit::Grid(grid) => Some((grid.fills.len(), grid.distances.is_unconfirmed)),
                Fit::Apart(_) => None,
            }
        };
        assert_eq!(of_thickness(20.0), Some((2, false)));
        assert_eq!(of_thickness(5.0), Some((2, true)));
        assert_eq!(of_thickness(1.5), None);
    }

    #[test]
    fn blocks_that_lie_far_apart_are_not_bridged() {
        assert_eq!(fit(&places(&[0.0, 1.0, 2.0, 5000.0, 5001.0]), None), Fit::Apart(vec![3]));
    }

    #[test]
    fn uneven_slices_are_mixed_in_proportion_to_distance() {
        let depths = [0.0, 4.0, 8.0, 13.5, 17.5];
        let found = grid(&depths, None);
        assert_eq!(found.fills.first(), Some(&Fill::Place(0)));
        assert_eq!(found.fills.last(), Some(&Fill::Place(4)));
        let step = 17.5 / (found.fills.len() - 1) as f64;
        for (k, fill) in found.fills.iter().enumerate() {
            let Fill::Between(below, share) = *fill else { continue };
            let depth = depths[below] + share * (depths[below + 1] - depths[below]);
            assert!((depth - step * k as f64).abs() < 1e-9, "{k}: {depth}");
        }
    }
}
