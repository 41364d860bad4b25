//! Which GPUs the machine has, and how busy they are.
//!
//! Asked through the driver's own library, looked up at run time: a machine without a driver has no GPUs, and nothing
//! is said about it. Who gets which GPU is decided in [`crate::scheduler`].

mod nvml;

pub use nvml::Nvml;

use crate::scheduler::GpuId;

/// A GPU that can be assigned: a whole card, or one part of a card that is divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// Its UUID, by which programs are told which GPU is theirs.
    pub id: GpuId,
    /// What its maker calls it.
    pub name: String,
    /// Its place on the bus: domain in the upper 16 bits, then bus and device with 8 bits each.
    pub pcie_id: u32,
    /// Its memory.
    pub memory_bytes: u64,
}

/// A GPU at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuReading {
    /// Which one.
    pub id: GpuId,
    /// Share of the time in which it computed, from 0 to 1; none where the driver does not tell, as for a part of a
    /// divided card.
    pub compute: Option<f32>,
    /// Used memory.
    pub memory_used_bytes: u64,
    /// Free memory.
    pub memory_free_bytes: u64,
    /// Processes on it.
    pub processes: Vec<GpuProcess>,
}

/// A process on a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GpuProcess {
    /// Its number, as this process sees it.
    pub pid: u32,
    /// GPU memory that it uses; none where the driver does not tell.
    pub memory_bytes: Option<u64>,
}

/// GPUs cannot be read now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum GpuError {
    #[error("cannot ask the driver for GPU {index}")]
    Device { index: u32, source: nvml_wrapper::error::NvmlError },
    #[error("cannot ask the driver for GPUs")]
    Driver(#[source] nvml_wrapper::error::NvmlError),
    #[error("there is no GPU `{id}`")]
    Unknown { id: GpuId },
}

/// Where GPUs are asked. Calls may take milliseconds; call from a worker.
pub trait Gpus: Send + Sync + 'static {
    /// All GPUs of the machine, in the driver's order.
    ///
    /// # Errors
    /// [`GpuError`] when the driver does not answer; a GPU that is there is never left out in silence.
    fn discover(&self) -> Result<Vec<Gpu>, GpuError>;

    /// How busy they are, in the same order.
    ///
    /// # Errors
    /// [`GpuError`] when the driver does not answer.
    fn read(&self) -> Result<Vec<GpuReading>, GpuError>;
}

/// A machine without a driver.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoGpus;

impl Gpus for NoGpus {
    fn discover(&self) -> Result<Vec<Gpu>, GpuError> {
        Ok(Vec::new())
    }

    fn read(&self) -> Result<Vec<GpuReading>, GpuError> {
        Ok(Vec::new())
    }
}

/// The GPUs of this machine.
pub fn of_this_machine() -> Box<dyn Gpus> {
    match Nvml::open() {
        Some(nvml) => Box::new(nvml),
        None => Box::new(NoGpus),
    }
}

/// Those of `found` that settings allow.
///
/// # Errors
/// [`GpuError::Unknown`] for a setting that names no GPU of this machine.
pub fn allowed(found: &[Gpu], setting: Option<&[String]>) -> Result<Vec<Gpu>, GpuError> {
    let Some(names) = setting else { return Ok(found.to_vec()) };
    let mut chosen = Vec::new();
    for name in names {
        let id = GpuId::new(name);
        let gpu = found.iter().find(|gpu| gpu.id == id).ok_or(GpuError::Unknown { id })?;
        if !chosen.contains(gpu) {
            chosen.push(gpu.clone());
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two cards that never change.
    struct Fake;

    impl Gpus for Fake {
        fn discover(&self) -> Result<Vec<Gpu>, GpuError> {
            let gpu = |n: u32| Gpu {
                id: GpuId::new(&format!("GPU-{n}")),
                name: "fake".into(),
                pcie_id: n,
                memory_bytes: 1 << 30,
            };
            Ok(vec![gpu(1), gpu(2)])
        }

        fn read(&self) -> Result<Vec<GpuReading>, GpuError> {
            Ok(Vec::new())
        }
    }

    #[test]
    fn settings_choose_among_the_gpus_that_there_are() {
        let found = Fake.discover().unwrap();
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(allowed(&found, None).unwrap(), found);
        assert_eq!(allowed(&found, Some(&[])).unwrap(), []);
        assert_eq!(allowed(&found, Some(&names(&["GPU-2", "GPU-2"]))).unwrap(), found[1..]);
        let unknown = allowed(&found, Some(&names(&["GPU-3"]))).unwrap_err();
        assert_eq!(unknown.to_string(), "there is no GPU `GPU-3`");
    }

    #[test]
    fn this_machine_answers_with_or_without_a_driver() {
        let gpus = of_this_machine();
        let found = gpus.discover().unwrap();
        let read = gpus.read().unwrap();
        assert_eq!(
            found.iter().map(|gpu| &gpu.id).collect::<Vec<_>>(),
            read.iter().map(|reading| &reading.id).collect::<Vec<_>>()
        );
        for reading in read {
            assert!(reading.compute.is_none_or(|share| (0.0..=1.0).contains(&share)), "{reading:?}");
        }
    }
}
