//! Shader sources: imports resolved, constants injected; in debug builds reloaded from `LANTERN_SHADER_DIR`.
//!
//! `// import shared/camera.wgsl` on a line of its own includes that file once. Two names stand for a choice made
//! when the pipeline is built: `// import volume` (whole or bricked) and `// import sample` (how texels are
//! filtered). Imports go at most a few files deep.

use std::path::{Path, PathBuf};

use super::gpu_types::wgsl_constants;

macro_rules! embedded {
    ($($path:literal),* $(,)?) => {
        /// Every shader file, as built in.
        const EMBEDDED: &[(&str, &str)] =
            &[$(($path, include_str!(concat!("../../../shaders/", $path)))),*];
    };
}

embedded! {
    "slice.wgsl",
    "ray_march.wgsl",
    "cube.wgsl",
    "composite.wgsl",
    "scalar_layer.wgsl",
    "label_layer.wgsl",
    "shared/camera.wgsl",
    "shared/color.wgsl",
    "shared/fullscreen.wgsl",
    "shared/sample_filtered.wgsl",
    "shared/sample_loaded.wgsl",
    "shared/slice_sample.wgsl",
    "shared/stored_value.wgsl",
    "shared/volume_bricked.wgsl",
    "shared/volume_params.wgsl",
    "shared/volume_whole.wgsl",
    "shared/window.wgsl",
}

/// How a volume is bound, which decides the text of every shader that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct VolumeBinding {
    /// Cut into bricks in several atlases.
    pub(crate) is_bricked: bool,
    /// The texture unit filters the format.
    pub(crate) is_filterable: bool,
}

impl VolumeBinding {
    fn file_for(self, name: &str) -> &str {
        match (name, self.is_bricked, self.is_filterable) {
            ("volume", false, _) => "shared/volume_whole.wgsl",
            ("volume", true, _) => "shared/volume_bricked.wgsl",
            ("sample", _, true) => "shared/sample_filtered.wgsl",
            ("sample", _, false) => "shared/sample_loaded.wgsl",
            (file, ..) => file,
        }
    }
}

/// A complete shader text that knows where its lines come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResolvedShader {
    pub(crate) wgsl: String,
    /// File and line (from 1) of each line of `wgsl`.
    origins: Vec<(String, u32)>,
}

impl ResolvedShader {
    /// `file:line` for a line (from 1) of the complete text.
    pub(crate) fn origin(&self, line: u32) -> String {
        let origin = (line as usize).checked_sub(1).and_then(|i| self.origins.get(i));
        origin.map_or_else(|| format!("line {line}"), |(file, line)| format!("{file}:{line}"))
    }
}

/// Where shader text comes from.
#[derive(Debug, Clone)]
pub(crate) struct ShaderSource {
    /// Folder that overrides the built-in files.
    folder: Option<PathBuf>,
}

impl ShaderSource {
    /// The built-in files; debug builds prefer the folder named by `LANTERN_SHADER_DIR`.
    pub(crate) fn from_environment() -> Self {
        let folder = if cfg!(debug_assertions) { std::env::var_os("LANTERN_SHADER_DIR") } else { None };
        Self { folder: folder.map(PathBuf::from) }
    }

    #[cfg(test)]
    pub(crate) fn embedded() -> Self {
        Self { folder: None }
    }

    #[cfg(test)]
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { folder: Some(folder.to_owned()) }
    }

    /// Changes whenever a file of the overriding folder does; constant without one.
    pub(crate) fn stamp(&self) -> u64 {
        let Some(folder) = &self.folder else { return 0 };
        let modified = |path: &str| {
            let time = std::fs::metadata(folder.join(path)).and_then(|m| m.modified()).ok()?;
            time.duration_since(std::time::UNIX_EPOCH).ok().map(|d| d.as_nanos() as u64)
        };
        EMBEDDED.iter().filter_map(|(path, _)| modified(path)).max().unwrap_or(0)
    }

    /// The text of one shader with its imports, the constants first.
    ///
    /// Unknown imports stay comments, so the compiler names what is missing.
    pub(crate) fn resolve(&self, file: &str, binding: VolumeBinding) -> ResolvedShader {
        let mut out = ResolvedShader { wgsl: String::new(), origins: Vec::new() };
        for (i, line) in wgsl_constants().lines().enumerate() {
            out.push(line, "constants", i);
        }
        self.append(file, binding, &mut Vec::new(), &mut out);
        out
    }

    fn append(
        &self,
        file: &str,
        binding: VolumeBinding,
        included: &mut Vec<String>,
        out: &mut ResolvedShader,
    ) {
        if included.iter().any(|f| f == file) {
            return;
        }
        included.push(file.to_owned());
        let Some(text) = self.text(file) else { return };
        for (i, line) in text.lines().enumerate() {
            out.push(line, file, i);
            if let Some(name) = line.strip_prefix("// import ") {
                self.append(binding.file_for(name.trim()), binding, included, out);
            }
        }
    }

    pub(crate) fn text(&self, file: &str) -> Option<String> {
        let from_folder = |folder: &PathBuf| std::fs::read_to_string(folder.join(Path::new(file))).ok();
        self.folder
            .as_ref()
            .and_then(from_folder)
            .or_else(|| EMBEDDED.iter().find(|(path, _)| *path == file).map(|(_, text)| (*text).to_owned()))
    }
}

impl ResolvedShader {
    fn push(&mut self, line: &str, file: &str, index: usize) {
        self.wgsl.push_str(line);
        self.wgsl.push('\n');
        self.origins.push((file.to_owned(), index as u32 + 1));
    }
}

/// Compiles a shader, or says at which line of which file it is wrong.
pub(crate) fn compile(
    device: &wgpu::Device,
    label: &str,
    shader: &ResolvedShader,
) -> Result<wgpu::ShaderModule, String> {
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(label),
        source: wgpu::ShaderSource::Wgsl(shader.wgsl.as_str().into()),
    });
    let Some(error) = pollster::block_on(scope.pop()) else { return Ok(module) };
    let info = pollster::block_on(module.get_compilation_info());
    let located = info.messages.iter().find_map(|m| {
        let location = m.location?;
        Some(format!("{}: {}", shader.origin(location.line_number), m.message))
    });
    Err(located.unwrap_or_else(|| error.to_string()))
}

#[cfg(test)]
mod tests;
