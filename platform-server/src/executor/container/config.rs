//! What whoever runs the server decides about containers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Settings for [`super::open`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerConfig {
    /// Folder for what is kept of runs; created if it is missing, and closed to other users.
    pub state_dir: PathBuf,
    /// How to start the shim: a program that calls [`crate::executor::process::shim_main`], and the arguments that make
    /// it do so. It is seen by containers too, with the libraries that it needs.
    pub shim: Vec<String>,
    /// The engine's program, by name or path; `None` looks for Podman, then for Docker.
    pub program: Option<PathBuf>,
    /// What follows the program on every call, behind what this machine needs anyway: where Podman keeps its images,
    /// or which Docker is meant.
    pub engine_arguments: Vec<String>,
    /// When images are pulled.
    pub pull: Pull,
    /// The engine's network of runs that may use one; `None` is what the engine takes by default.
    pub network: Option<String>,
    /// Where the server is root: the user and group of runs. Elsewhere they have the server's own.
    pub runs_as: (u32, u32),
    /// Whether runs have the user that their image names, which may be root, and not the one above.
    pub allows_image_user: bool,
    /// Whether runs end when the server dies, at once and not only when the next one starts.
    pub ends_with_server: bool,
}

/// When an image is pulled from where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Pull {
    /// Never: images that are not here are refused.
    Never,
    /// If it is not here.
    #[default]
    Missing,
    /// Before every run, so that it is the newest of its name.
    Always,
}

impl ContainerConfig {
    /// Containers of whichever engine is here, kept in `state_dir`, with the shim `shim`.
    pub fn new(state_dir: impl Into<PathBuf>, shim: Vec<String>) -> Self {
        Self {
            state_dir: state_dir.into(),
            shim,
            program: None,
            engine_arguments: Vec::new(),
            pull: Pull::default(),
            network: None,
            // `nobody`: owns no files, and every system has it.
            runs_as: (65534, 65534),
            allows_image_user: false,
            ends_with_server: false,
        }
    }
}
