//! Shaders checked without a GPU: they parse, validate, and lay out their structs as the Rust mirrors do.

use naga::valid::{Capabilities, ValidationFlags, Validator};

use super::*;
use crate::gpu::gpu_types as mirrors;

const ENTRY_FILES: [&str; 6] =
    ["slice.wgsl", "scalar_layer.wgsl", "label_layer.wgsl", "ray_march.wgsl", "cube.wgsl", "composite.wgsl"];

fn bindings() -> impl Iterator<Item = VolumeBinding> {
    [(false, false), (false, true), (true, false), (true, true)]
        .into_iter()
        .map(|(is_bricked, is_filterable)| VolumeBinding { is_bricked, is_filterable })
}

fn parse(file: &str, binding: VolumeBinding) -> naga::Module {
    let shader = ShaderSource::embedded().resolve(file, binding);
    naga::front::wgsl::parse_str(&shader.wgsl).unwrap_or_else(|e| {
        let line = e.location(&shader.wgsl).map_or(0, |l| l.line_number);
        panic!("{}: {}", shader.origin(line), e.emit_to_string(&shader.wgsl))
    })
}

#[test]
fn every_entry_point_validates_for_every_way_a_volume_is_bound() {
    for file in ENTRY_FILES {
        for binding in bindings() {
            let module = parse(file, binding);
            assert!(module.entry_points.len() >= 2, "{file} has a vertex and a fragment entry point");
            let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
            validator.validate(&module).unwrap_or_else(|e| panic!("{file}: {e:?}"));
        }
    }
}

#[test]
fn structs_shared_with_rust_have_the_same_members_at_the_same_places() {
    type Mirror = (&'static str, &'static [(&'static str, usize, usize)], usize);
    macro_rules! mirrors {
        ($($name:ident),*) => {
            [$((stringify!($name), mirrors::$name::MEMBERS, size_of::<mirrors::$name>())),*]
        };
    }
    let expected: [Mirror; 10] = mirrors!(
        WindowParams,
        RayCamera,
        VolumeParams,
        SliceParams,
        ScalarLayerParams,
        LabelLayerParams,
        RayMarchParams,
        CubeEdge,
        CubeParams,
        CompositeParams
    );
    let mut seen = std::collections::HashSet::new();
    for file in ENTRY_FILES {
        let module = parse(file, VolumeBinding { is_bricked: true, is_filterable: true });
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        for (handle, ty) in module.types.iter() {
            let naga::TypeInner::Struct { members, span } = &ty.inner else { continue };
            let Some(name) = &ty.name else { continue };
            let Some((_, fields, size)) = expected.iter().find(|(n, ..)| n == name) else { continue };
            let wgsl: Vec<(&str, usize, usize)> = members
                .iter()
                .map(|m| (m.name.as_deref().unwrap(), m.offset as usize, layouter[m.ty].size as usize))
                .collect();
            assert_eq!(wgsl, *fields, "{file}: {name}");
            assert_eq!(*span as usize, *size, "{file}: size of {name}");
            assert_eq!(layouter[handle].size as usize, *size);
            seen.insert(name.clone());
        }
        let is_private = ["PixelRay", "March", "BrickPlace", "SlabSample", "Layer"];
        for (_, ty) in module.types.iter() {
            if let (naga::TypeInner::Struct { .. }, Some(name)) = (&ty.inner, &ty.name) {
                let is_known =
                    expected.iter().any(|(n, ..)| n == name) || is_private.contains(&name.as_str());
                assert!(is_known, "{file}: `{name}` has neither a mirror nor a place in this list");
            }
        }
    }
    assert_eq!(seen.len(), expected.len(), "only {seen:?} were found");
}

#[test]
fn every_file_says_what_it_is_for_and_what_it_gives() {
    for (path, text) in EMBEDDED {
        assert!(text.starts_with("// Purpose:"), "{path} starts with its purpose");
        if ENTRY_FILES.contains(path) {
            let head: Vec<&str> = text.lines().take_while(|l| l.starts_with("//")).collect();
            for word in ["// Inputs: ", "// Output: ", "// Source: ", "Twin: "] {
                assert!(head.iter().any(|l| l.contains(word)), "{path} lacks `{word}`");
            }
        }
    }
}

#[test]
fn every_shader_file_on_disk_is_built_in() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shaders");
    for folder in [root.clone(), root.join("shared")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "wgsl") {
                let relative = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                assert!(EMBEDDED.iter().any(|(p, _)| *p == relative), "{relative}");
            }
        }
    }
}

#[test]
fn imports_resolve_once_and_lines_know_their_file() {
    for file in ENTRY_FILES {
        let shader = ShaderSource::embedded().resolve(file, VolumeBinding::default());
        assert_eq!(shader.wgsl.matches("fn vs_fullscreen").count(), 1, "{file}");
        for (i, line) in shader.wgsl.lines().enumerate() {
            if line.starts_with("fn window_grey") {
                let expected = EMBEDDED.iter().find(|(p, _)| *p == "shared/window.wgsl").unwrap().1;
                let number = expected.lines().position(|l| l == line).unwrap() + 1;
                assert_eq!(shader.origin(i as u32 + 1), format!("shared/window.wgsl:{number}"));
            }
        }
    }
}

#[test]
fn a_folder_overrides_the_built_in_files() {
    let folder = std::env::temp_dir().join(format!("lantern-shaders-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("slice.wgsl"), "// import shared/color.wgsl\nfn edited() {}\n").unwrap();
    let source = ShaderSource::in_folder(&folder);
    let shader = source.resolve("slice.wgsl", VolumeBinding::default());
    let stamp = source.stamp();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(shader.wgsl.contains("fn edited()") && shader.wgsl.contains("fn decode_srgb"));
    assert!(!shader.wgsl.contains("fn slab_sample"));
    assert!(stamp > 0 && source.stamp() != stamp, "a change of the folder changes the stamp");
}
