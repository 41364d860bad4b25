//! How the window is divided into viewports.

use super::workspace::ViewportId;

/// Identifier of the first cell of grids; before it come axial, coronal, sagittal and volume.
pub(super) const STACKS: u8 = 4;
/// Most rows, and most columns, of a grid.
pub const MAX_GRID: u8 = 5;
/// Viewports there can be.
pub(super) const MAX_VIEWPORTS: u8 = STACKS + MAX_GRID * MAX_GRID;

const AXIAL: ViewportId = ViewportId(0);
const CORONAL: ViewportId = ViewportId(1);
const SAGITTAL: ViewportId = ViewportId(2);
const VOLUME: ViewportId = ViewportId(3);

/// Which viewports there are, and how they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Arrangement {
    /// Axial and coronal over sagittal and volume, of one series.
    #[default]
    FourUp,
    /// A large axial plane, coronal over sagittal beside it.
    OnePlusTwo,
    /// A large volume, the three planes beside it.
    VolumePrimary,
    /// Stacks as they were acquired, each with a series of its own.
    Grid {
        /// From 1 to [`MAX_GRID`].
        rows: u8,
        /// From 1 to [`MAX_GRID`].
        columns: u8,
    },
}

impl Arrangement {
    /// A single stack.
    pub const ONE: Self = Self::Grid { rows: 1, columns: 1 };
    /// Two stacks side by side.
    pub const COMPARE: Self = Self::Grid { rows: 1, columns: 2 };
    /// Those with a name.
    pub const NAMED: [(Self, &'static str); 5] = [
        (Self::ONE, "One image"),
        (Self::FourUp, "Four up"),
        (Self::OnePlusTwo, "Planes, one large"),
        (Self::VolumePrimary, "Volume, large"),
        (Self::COMPARE, "Compare"),
    ];

    /// A grid, with rows and columns kept within their limits.
    pub fn grid(rows: u8, columns: u8) -> Self {
        Self::Grid { rows: rows.clamp(1, MAX_GRID), columns: columns.clamp(1, MAX_GRID) }
    }

    /// Its name, or `3 × 2`.
    pub fn name(self) -> String {
        match (Self::NAMED.iter().find(|(a, _)| *a == self), self) {
            (Some((_, name)), _) => (*name).to_owned(),
            (None, Self::Grid { rows, columns }) => format!("{rows} × {columns}"),
            (None, _) => "Layout".to_owned(),
        }
    }

    /// Whether all viewports show planes and volume of one series.
    pub fn is_of_one_series(self) -> bool {
        !matches!(self, Self::Grid { .. })
    }

    /// The viewports in reading order.
    pub fn viewports(self) -> Vec<ViewportId> {
        match self {
            Self::FourUp => vec![AXIAL, CORONAL, SAGITTAL, VOLUME],
            Self::OnePlusTwo => vec![AXIAL, CORONAL, SAGITTAL],
            Self::VolumePrimary => vec![VOLUME, AXIAL, CORONAL, SAGITTAL],
            Self::Grid { rows, columns } => (0..rows * columns).map(|i| ViewportId(STACKS + i)).collect(),
        }
    }

    /// Where they lie, as shares of width and height (left, top, right, bottom); `split` is where they meet.
    pub fn cells(self, split: [f32; 2]) -> Vec<[f32; 4]> {
        let [x, y] = split;
        match self {
            Self::FourUp => {
                vec![[0.0, 0.0, x, y], [x, 0.0, 1.0, y], [0.0, y, x, 1.0], [x, y, 1.0, 1.0]]
            }
            Self::OnePlusTwo => vec![[0.0, 0.0, x, 1.0], [x, 0.0, 1.0, y], [x, y, 1.0, 1.0]],
            Self::VolumePrimary => {
                let third = |i: f32| [x, i / 3.0, 1.0, (i + 1.0) / 3.0];
                vec![[0.0, 0.0, x, 1.0], third(0.0), third(1.0), third(2.0)]
            }
            Self::Grid { rows, columns } => {
                let (r, c) = (f32::from(rows), f32::from(columns));
                let cell = |i: u8| {
                    let (row, column) = (f32::from(i / columns), f32::from(i % columns));
                    [column / c, row / r, (column + 1.0) / c, (row + 1.0) / r]
                };
                (0..rows * columns).map(cell).collect()
            }
        }
    }

    /// Whether the place where viewports meet can be dragged, sideways and up or down.
    pub fn has_split(self) -> [bool; 2] {
        match self {
            Self::FourUp | Self::OnePlusTwo => [true, true],
            Self::VolumePrimary => [true, false],
            Self::Grid { .. } => [false, false],
        }
    }
}

/// Which viewports are visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layout {
    /// How the window is divided.
    pub arrangement: Arrangement,
    /// The one that fills the window for now.
    pub maximised: Option<ViewportId>,
    /// What was there before a flat image, which has nothing to reformat, took the window.
    pub stood_in_for: Option<Arrangement>,
}

impl Layout {
    /// Viewports on screen, in reading order.
    pub fn visible(self) -> Vec<ViewportId> {
        self.maximised.map_or_else(|| self.arrangement.viewports(), |id| vec![id])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Arrangement> {
        let grids = (1..=MAX_GRID).flat_map(|r| (1..=MAX_GRID).map(move |c| Arrangement::grid(r, c)));
        Arrangement::NAMED.iter().map(|(a, _)| *a).chain(grids).collect()
    }

    #[test]
    fn cells_fill_the_window_without_overlap_and_each_has_a_viewport() {
        for arrangement in all() {
            let cells = arrangement.cells([0.4, 0.7]);
            let ids = arrangement.viewports();
            assert_eq!(cells.len(), ids.len(), "{}", arrangement.name());
            let area: f32 = cells.iter().map(|[l, t, r, b]| (r - l) * (b - t)).sum();
            assert!((area - 1.0).abs() < 1e-5, "{} covers {area}", arrangement.name());
            for (i, a) in cells.iter().enumerate() {
                for b in &cells[i + 1..] {
                    let width = a[2].min(b[2]) - a[0].max(b[0]);
                    let height = a[3].min(b[3]) - a[1].max(b[1]);
                    assert!(width < 1e-5 || height < 1e-5, "{}", arrangement.name());
                }
            }
            assert!(ids.iter().all(|id| id.0 < MAX_VIEWPORTS));
        }
    }

    #[test]
    fn grids_stay_within_five_by_five() {
        assert_eq!(Arrangement::grid(0, 9), Arrangement::Grid { rows: 1, columns: 5 });
        assert_eq!(Arrangement::grid(5, 5).viewports().len(), 25);
    }
}
