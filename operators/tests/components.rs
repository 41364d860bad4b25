//! Connected components against a flood fill that is too simple to be wrong.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use imaging::geometry::Dims;
use operators::components::{Components, Connectivity};
use proptest::prelude::*;

/// For each voxel the lowest linear index of its component.
fn flooded(dims: Dims, connectivity: Connectivity, set: &[bool]) -> Vec<Option<usize>> {
    let mut seen = vec![None; set.len()];
    for start in 0..set.len() {
        let mut queue = vec![start];
        while let Some(i) = queue.pop() {
            if !set[i] || seen[i].is_some() {
                continue;
            }
            seen[i] = Some(start);
            let at = [i % dims.x, i / dims.x % dims.y, i / dims.x / dims.y].map(|v| v as i64);
            for step in 0..27i64 {
                let d = [step % 3 - 1, step / 3 % 3 - 1, step / 9 - 1];
                let faces = d.iter().map(|v| v.abs()).sum::<i64>() == 1;
                let to = [at[0] + d[0], at[1] + d[1], at[2] + d[2]];
                if (faces || connectivity == Connectivity::Corners) && dims.contains(to) {
                    let to = to.map(|v| v as usize);
                    queue.push((to[2] * dims.y + to[1]) * dims.x + to[0]);
                }
            }
        }
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn components_are_those_of_a_flood_fill(
        (x, y, z) in (1usize..9, 1usize..7, 1usize..6),
        density in 0.05f64..0.95,
        noise in prop::collection::vec(0.0f64..1.0, 9 * 7 * 6),
        corners in any::<bool>(),
    ) {
        let dims = Dims::new(x, y, z);
        let connectivity = if corners { Connectivity::Corners } else { Connectivity::Faces };
        let set: Vec<bool> = noise.iter().take(x * y * z).map(|&v| v < density).collect();
        let expected = flooded(dims, connectivity, &set);
        let found = Components::of(dims, connectivity, |i| set[i]).unwrap();
        let mut labels = vec![None; set.len()];
        found.for_each_run(|component, first, len| labels[first..first + len].fill(Some(component)));

        // Same partition: one component here for each there.
        let mut component_of = BTreeMap::new();
        for (label, start) in labels.iter().zip(&expected) {
            prop_assert_eq!(label.is_some(), start.is_some());
            if let (Some(label), Some(start)) = (label, start) {
                prop_assert_eq!(*component_of.entry(*start).or_insert(*label), *label);
            }
        }
        prop_assert_eq!(component_of.len(), found.all().len());
        // Largest first, equals by first voxel, and each measured as counted.
        let mut order: Vec<(std::cmp::Reverse<u64>, usize, usize)> = Vec::new();
        for (&start, &label) in &component_of {
            let members: Vec<usize> = (0..set.len()).filter(|&i| expected[i] == Some(start)).collect();
            let component = &found.all()[label];
            prop_assert_eq!(component.voxels, members.len() as u64);
            for axis in 0..3 {
                let of = |i: usize| [i % dims.x, i / dims.x % dims.y, i / dims.x / dims.y][axis];
                let at: Vec<usize> = members.iter().map(|&i| of(i)).collect();
                prop_assert_eq!(component.bounds[0][axis], *at.iter().min().unwrap());
                prop_assert_eq!(component.bounds[1][axis], *at.iter().max().unwrap());
                prop_assert_eq!(component.index_sum[axis], at.iter().sum::<usize>() as u128);
            }
            order.push((std::cmp::Reverse(component.voxels), start, label));
        }
        order.sort();
        prop_assert!(order.iter().enumerate().all(|(i, (_, _, label))| i == *label));
    }
}
