//! GPUs through the library that comes with NVIDIA's driver.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use nvml_wrapper::Device;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;

use super::{Gpu, GpuError, GpuProcess, GpuReading, Gpus};
use crate::scheduler::GpuId;

/// The name that drivers install, and the one that only development packages bring.
const LIBRARIES: &[&str] =
    if cfg!(windows) { &["nvml.dll"] } else { &["libnvidia-ml.so.1", "libnvidia-ml.so"] };

/// The driver's library, open until it is dropped.
pub struct Nvml(nvml_wrapper::Nvml);

impl Nvml {
    /// Opens it; none where there is no driver. A driver that is there and does not work is told to the log.
    pub fn open() -> Option<Self> {
        for library in LIBRARIES {
            match nvml_wrapper::Nvml::builder().lib_path(OsStr::new(library)).init() {
                Ok(nvml) => return Some(Self(nvml)),
                Err(NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound) => {}
                // The library without the driver's kernel part: as if there were none.
                Err(NvmlError::DriverNotLoaded) => return None,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the driver of GPUs does not answer"
                    );
                    return None;
                }
            }
        }
        None
    }

    /// Runs `ask` for each GPU that can be assigned: with it, and with the card that it is or is part of.
    fn each<T>(
        &self,
        ask: impl Fn(&Device<'_>, &Device<'_>) -> Result<T, NvmlError>,
    ) -> Result<Vec<T>, GpuError> {
        let mut answers = Vec::new();
        for index in 0..self.0.device_count().map_err(GpuError::Driver)? {
            let failed = |source| GpuError::Device { index, source };
            let card = self.0.device_by_index(index).map_err(failed)?;
            if is_divided(&card).map_err(failed)? {
                for part in 0..card.mig_device_count().map_err(failed)? {
                    match card.mig_device_by_index(part) {
                        Ok(part) => answers.push(ask(&part, &card).map_err(failed)?),
                        // The count is that of all places; not all are taken.
                        Err(NvmlError::NotFound | NvmlError::InvalidArg) => {}
                        Err(source) => return Err(failed(source)),
                    }
                }
            } else {
                answers.push(ask(&card, &card).map_err(failed)?);
            }
        }
        Ok(answers)
    }
}

impl Gpus for Nvml {
    fn discover(&self) -> Result<Vec<Gpu>, GpuError> {
        self.each(|gpu, card| {
            let place = card.pci_info()?;
            Ok(Gpu {
                id: GpuId::new(&gpu.uuid()?),
                name: gpu.name()?,
                pcie_id: (place.domain & 0xffff) << 16 | (place.bus & 0xff) << 8 | place.device & 0xff,
                memory_bytes: gpu.memory_info()?.total,
            })
        })
    }

    fn read(&self) -> Result<Vec<GpuReading>, GpuError> {
        self.each(|gpu, _| {
            let memory = gpu.memory_info()?;
            Ok(GpuReading {
                id: GpuId::new(&gpu.uuid()?),
                compute: optional(gpu.utilization_rates())?.map(|rates| rates.gpu.min(100) as f32 / 100.0),
                memory_used_bytes: memory.used,
                memory_free_bytes: memory.free,
                processes: processes(gpu)?,
            })
        })
    }
}

/// Whether a card gives out parts of itself instead of itself.
fn is_divided(card: &Device<'_>) -> Result<bool, NvmlError> {
    Ok(optional(card.mig_mode())?.is_some_and(|mode| mode.current == 1))
}

/// What older cards and drivers do not know is no error.
fn optional<T>(answer: Result<T, NvmlError>) -> Result<Option<T>, NvmlError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(NvmlError::NotSupported | NvmlError::FailedToLoadSymbol(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Each process once, whether it computes, draws or both.
fn processes(gpu: &Device<'_>) -> Result<Vec<GpuProcess>, NvmlError> {
    let mut found: BTreeMap<u32, Option<u64>> = BTreeMap::new();
    let lists = [optional(gpu.running_compute_processes())?, optional(gpu.running_graphics_processes())?];
    for ProcessInfo { pid, used_gpu_memory, .. } in lists.into_iter().flatten().flatten() {
        let memory = match used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        };
        let entry = found.entry(pid).or_default();
        // Both lists tell the memory of the whole process.
        *entry = (*entry).max(memory);
    }
    Ok(found.into_iter().map(|(pid, memory_bytes)| GpuProcess { pid, memory_bytes }).collect())
}
