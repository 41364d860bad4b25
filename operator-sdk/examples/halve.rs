//! An operator in Rust: opens the array `voxels`, publishes `halves`, each number divided by two.
//!
//! In a definition its input is `from` whoever makes `voxels`, its output `halves` an array of `int16`.

use lantern_fastio::wire::Level;
use lantern_fastio::{Channel, FastIoError};

fn main() -> Result<(), FastIoError> {
    let channel = Channel::from_environment()?;
    channel.ready()?;
    let voxels = channel.open("voxels", None)?;
    let mut halves = channel.allocate::<i16>("halves", voxels.shape(), "half of each voxel")?;
    let pairs = halves.values_mut::<i16>()?.iter_mut().zip(voxels.values::<i16>()?);
    pairs.for_each(|(half, voxel)| *half = voxel / 2);
    halves.publish()?;
    channel.progress(1.0, "halved")?;
    channel.log(Level::Info, &format!("{} voxels", voxels.bytes().len() / 2))
}
