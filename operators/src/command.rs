//! The command line of `run_operator`: an operator by name, its folders and its parameters.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::crop::Crop;
use crate::operator::Operator;
use crate::series_writer::SeriesWriter;
use crate::threshold_segmentation::ThresholdSegmentation;

/// Runs one operator: reads the input folder, writes the output folder.
///
/// Progress goes to standard output, warnings and errors to standard error. Ends with 0 (ok), 1 (failed) or 2 (bad usage).
#[derive(Debug, Parser)]
#[command(name = "run_operator", version)]
#[expect(missing_docs, reason = "the help is the documentation")]
pub struct Command {
    #[command(subcommand)]
    pub step: Step,
}

/// Folders and threads, the same for every operator.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Folder to read
    #[arg(long, value_name = "DIR", default_value = "/input")]
    pub input: PathBuf,
    /// Folder to write
    #[arg(long, value_name = "DIR", default_value = "/output")]
    pub output: PathBuf,
    /// Threads; 0 takes as many as the system lets this process use
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
}

/// The operators.
#[derive(Debug, Subcommand)]
#[command(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the help is the documentation")]
pub enum Step {
    /// Write a series as one volume: MetaImage, NIfTI, or both
    SeriesWriter {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        operator: SeriesWriter,
    },
    /// Cut a volume to a box; every voxel keeps its place in the patient
    Crop {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        operator: Crop,
    },
    /// Label what lies between two values, component by component, and measure it
    ThresholdSegmentation {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        operator: ThresholdSegmentation,
    },
}

impl Step {
    /// What is to run, and where.
    pub fn parts(&self) -> (&Common, &dyn Operator) {
        match self {
            Self::SeriesWriter { common, operator } => (common, operator),
            Self::Crop { common, operator } => (common, operator),
            Self::ThresholdSegmentation { common, operator } => (common, operator),
        }
    }
}
