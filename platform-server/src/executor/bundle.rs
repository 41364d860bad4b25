//! Operator bundles: installed folders that stand for the container images that pipelines name.
//!
//! A bundle is a folder with an `operator.json`:
//!
//! ```json
//! {
//!   "name": "lantern/crop", "version": "1.0", "description": "Cuts a volume to a box.",
//!   "entry": ["bin/crop"], "arguments": ["--margin", "5"],
//!   "environment": { "LOG": "warn" },
//!   "inputs": [{ "name": "image", "path": "/input", "element-type": "metaimage" }],
//!   "outputs": [{ "name": "cropped", "path": "/output", "element-type": "metaimage" }],
//!   "requests": { "cpu": 1, "memory": 2048, "gpu": 0 }
//! }
//! ```
//!
//! `entry` comes first on the command line, and the definition's `command`, or else `arguments`, behind it: the same rule
//! as for images with and without an entry point. A program with a `/` in it that is not absolute lies in the bundle.
//! The bundle's folder is at [`PLACE`], read-only. `lantern/shell` is built in: no folder and no entry, just the system's
//! own programs.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::ExecutorError;
use super::spec::{Access, Mount, RunSpec};

/// Where an operator finds its bundle; also in `LANTERN_BUNDLE`, since without a sandbox it is elsewhere.
pub const PLACE: &str = "/opt/operator";
/// The bundle for definitions that bring their own shell commands.
pub const SHELL: &str = "lantern/shell";

const MANIFEST: &str = "operator.json";
const MAX_MANIFEST_BYTES: u64 = 1 << 20;
const MAX_FILES: usize = 1_000_000;

/// An operator that is installed here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Name without tag, as a definition's `image` has it.
    pub name: String,
    /// Stands for the image's tag.
    pub version: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// What every command line begins with.
    #[serde(default)]
    pub entry: Vec<String>,
    /// What follows, if the definition gives no command.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Variables, below those of the definition.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What it reads.
    #[serde(default)]
    pub inputs: Vec<BundlePort>,
    /// What it writes.
    #[serde(default)]
    pub outputs: Vec<BundlePort>,
    /// What it needs, if the definition does not say.
    #[serde(default)]
    pub requests: Requests,
    /// Where it is; the built-in one is nowhere.
    #[serde(skip)]
    pub folder: Option<PathBuf>,
}

/// A declared input or output.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BundlePort {
    /// Its name.
    pub name: String,
    /// Where the operator expects it.
    pub path: String,
    /// What format the files have.
    #[serde(default)]
    pub element_type: Option<String>,
}

/// Resources, in the units of pipeline definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requests {
    /// Processors.
    pub cpu: Option<u32>,
    /// Memory in MB.
    pub memory: Option<u64>,
    /// GPUs.
    pub gpu: Option<u32>,
}

impl Bundle {
    /// Reads the bundle in `folder`.
    ///
    /// # Errors
    /// [`ExecutorError::Io`] if it cannot be read, [`ExecutorError::BadBundle`] if it does not hold together.
    pub fn open(folder: &Path) -> Result<Self, ExecutorError> {
        let folder = fs::canonicalize(folder).map_err(ExecutorError::io("find", folder))?;
        let path = folder.join(MANIFEST);
        let mut text = String::new();
        let file = File::open(&path).map_err(ExecutorError::io("open", &path))?;
        file.take(MAX_MANIFEST_BYTES).read_to_string(&mut text).map_err(ExecutorError::io("read", &path))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bad = |reason: String| ExecutorError::BadBundle { name: name.clone(), reason };
        let mut bundle: Self = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        let image = ImageName::parse(&bundle.name).filter(|image| image.tag.is_none());
        if image.is_none() || bundle.version.is_empty() || bundle.version.contains([':', '/']) {
            return Err(bad(format!(
                "`{}` version `{}` cannot stand for an image",
                bundle.name, bundle.version
            )));
        }
        if let Some(program) = bundle.own_program() {
            let real = fs::canonicalize(folder.join(program))
                .map_err(|error| bad(format!("`{program}`: {error}")))?;
            if !real.starts_with(&folder) {
                return Err(bad(format!("`{program}` leads out of it")));
            }
        }
        bundle.folder = Some(folder);
        Ok(bundle)
    }

    /// The one that is always there: the system's programs, and the definition's command as it is.
    pub fn shell() -> Self {
        Self {
            name: SHELL.into(),
            version: "1".into(),
            description: "The system's base tools, read-only.".into(),
            entry: Vec::new(),
            arguments: vec!["/bin/sh".into()],
            environment: BTreeMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            requests: Requests::default(),
            folder: None,
        }
    }

    fn own_program(&self) -> Option<&str> {
        let program = self.entry.first().or(self.arguments.first())?;
        (program.contains('/') && !program.starts_with('/')).then_some(program)
    }

    /// A run of this bundle with the definition's `command`; folders and limits are still to be added.
    ///
    /// `has_own_mounts` as in the executor's capabilities.
    pub fn run(&self, command: &[String], has_own_mounts: bool) -> RunSpec {
        let rest = if command.is_empty() { &self.arguments } else { command };
        let mut run = RunSpec {
            command: self.entry.iter().chain(rest).cloned().collect(),
            environment: self.environment.clone(),
            ..RunSpec::default()
        };
        let Some(folder) = &self.folder else { return run };
        let place = if has_own_mounts { PLACE.to_owned() } else { folder.to_string_lossy().into_owned() };
        if let Some(program) = run.command.first_mut()
            && program.contains('/')
            && !program.starts_with('/')
        {
            *program = format!("{place}/{program}");
        }
        run.environment.insert("LANTERN_BUNDLE".into(), place.clone());
        run.mounts.push(Mount { host: folder.clone(), place, access: Access::ReadOnly });
        run
    }

    /// SHA-256 over names, kinds, links and contents of all its files: two bundles with the same digest do the same.
    ///
    /// Reads the whole folder. The built-in bundle's is that of its name and version.
    ///
    /// # Errors
    /// If a file cannot be read, or is neither file, folder nor link.
    pub fn digest(&self) -> Result<String, ExecutorError> {
        let mut hasher = Sha256::new();
        match &self.folder {
            None => hasher.update(format!("{}:{}", self.name, self.version)),
            Some(folder) => hash_folder(folder, &mut hasher).map_err(ExecutorError::io("read", folder))?,
        }
        let hex: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(format!("sha256:{hex}"))
    }
}

fn hash_folder(root: &Path, hasher: &mut Sha256) -> io::Result<()> {
    let mut found = Vec::new();
    let mut queue = vec![root.to_owned()];
    while let Some(dir) = queue.pop() {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if fs::symlink_metadata(&path)?.is_dir() {
                queue.push(path.clone());
            }
            found.push(path);
            if found.len() > MAX_FILES {
                return Err(io::Error::other(format!("more than {MAX_FILES} files")));
            }
        }
    }
    // Not as the file system happens to list them.
    found.sort();
    let mut field = |bytes: &[u8]| {
        // With its length, so that no two lists of fields run together to the same bytes.
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for path in found {
        let meta = fs::symlink_metadata(&path)?;
        field(path.strip_prefix(root).unwrap_or(&path).as_os_str().as_encoded_bytes());
        if meta.is_dir() {
            field(b"folder");
        } else if meta.is_symlink() {
            field(b"link");
            field(fs::read_link(&path)?.as_os_str().as_encoded_bytes());
        } else if meta.is_file() {
            field(if is_executable(&meta) { b"program" } else { b"file" });
            let mut inner = Sha256::new();
            let mut file = File::open(&path)?;
            let mut buffer = vec![0; 128 << 10];
            loop {
                match file.read(&mut buffer)? {
                    0 => break,
                    len => inner.update(buffer.get(..len).unwrap_or_default()),
                }
            }
            field(&inner.finalize());
        } else {
            return Err(io::Error::other("neither file, folder nor link"));
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_executable(meta: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_meta: &fs::Metadata) -> bool {
    false
}

/// All bundles of a server, by the names that definitions use.
#[derive(Debug, Clone)]
pub struct Bundles {
    bundles: Vec<Bundle>,
    aliases: BTreeMap<String, String>,
}

impl Bundles {
    /// The bundles in the folders below each of `dirs`, and the built-in one.
    ///
    /// `aliases` lead from an image, with or without tag, to another; `*` is for all that nothing else fits. Folders that
    /// are no usable bundle come back as errors beside the rest.
    pub fn scan(dirs: &[PathBuf], aliases: BTreeMap<String, String>) -> (Self, Vec<ExecutorError>) {
        let mut bundles = vec![Bundle::shell()];
        let mut errors = Vec::new();
        for dir in dirs {
            let entries = match fs::read_dir(dir) {
                Ok(entries) => entries,
                Err(error) => {
                    errors.push(ExecutorError::io("list", dir)(error));
                    continue;
                }
            };
            let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            folders.sort();
            for folder in folders.into_iter().filter(|folder| folder.join(MANIFEST).exists()) {
                match Bundle::open(&folder) {
                    Ok(bundle)
                        if bundles.iter().any(|b| b.name == bundle.name && b.version == bundle.version) =>
                    {
                        let reason = format!("version `{}` is installed twice", bundle.version);
                        errors.push(ExecutorError::BadBundle { name: bundle.name, reason });
                    }
                    Ok(bundle) => bundles.push(bundle),
                    Err(error) => errors.push(error),
                }
            }
        }
        (Self { bundles, aliases }, errors)
    }

    /// Every bundle.
    pub fn all(&self) -> &[Bundle] {
        &self.bundles
    }

    /// The bundle for `image`, written `name` or `name:tag`; the tag `latest`, or none, means the highest version.
    ///
    /// An alias for the image with its tag goes before one without, that before a bundle of the name, and `*` comes last.
    /// Aliases are followed once.
    ///
    /// # Errors
    /// [`ExecutorError::UnknownBundle`] if nothing fits.
    pub fn resolve(&self, image: &str) -> Result<&Bundle, ExecutorError> {
        let unknown = || ExecutorError::UnknownBundle { image: image.chars().take(300).collect() };
        let name = ImageName::parse(image).ok_or_else(unknown)?;
        let tagged = format!("{}:{}", name.name, name.tag.unwrap_or("latest"));
        let found = match self.alias(image, &tagged, name.name) {
            Some(alias) => ImageName::parse(alias).and_then(|name| self.find(name)),
            None => self.find(name).or_else(|| self.find(ImageName::parse(self.aliases.get("*")?)?)),
        };
        found.ok_or_else(unknown)
    }

    /// The container image for `image`: itself, or what an alias says. That of `*` is for bundles only, since here every
    /// image stands for itself.
    pub fn image(&self, image: &str) -> String {
        let Some(name) = ImageName::parse(image) else { return image.to_owned() };
        let tagged = format!("{}:{}", name.name, name.tag.unwrap_or("latest"));
        self.alias(image, &tagged, name.name).cloned().unwrap_or_else(|| image.to_owned())
    }

    fn alias(&self, image: &str, tagged: &str, name: &str) -> Option<&String> {
        [image, tagged, name].into_iter().find_map(|key| self.aliases.get(key))
    }

    fn find(&self, image: ImageName<'_>) -> Option<&Bundle> {
        let named = self.bundles.iter().filter(|bundle| bundle.name == image.name);
        match image.tag {
            None | Some("latest") => named.max_by(|a, b| compare_versions(&a.version, &b.version)),
            Some(tag) => named.into_iter().find(|bundle| bundle.version == tag),
        }
    }
}

/// A container image's name in its parts. A registry's port is no tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ImageName<'a> {
    name: &'a str,
    tag: Option<&'a str>,
}

impl<'a> ImageName<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let last = text.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match text.get(last..)?.find(':') {
            Some(at) => (text.get(..last + at)?, Some(text.get(last + at + 1..)?)),
            None => (text, None),
        };
        let is_sound =
            |part: &str| !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || c.is_control());
        let parts_are_sound = name.split('/').all(|part| is_sound(part) && part != "." && part != "..");
        (text.len() <= 512 && parts_are_sound && tag.is_none_or(is_sound)).then_some(Self { name, tag })
    }
}

/// `1.10` is higher than `1.9`: numbers by their value, the rest by its letters.
fn compare_versions(a: &str, b: &str) -> Ordering {
    let parts = |text: &'_ str| -> Vec<(Option<u64>, String)> {
        text.split(['.', '-', '_']).map(|part| (part.parse().ok(), part.to_owned())).collect()
    };
    parts(a).cmp(&parts(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(dir: &Path, folder: &str, json: &str) -> PathBuf {
        let path = dir.join(folder);
        fs::create_dir_all(path.join("bin")).unwrap();
        fs::write(path.join("bin/crop"), "#!/bin/sh\n").unwrap();
        fs::write(path.join(MANIFEST), json).unwrap();
        path
    }

    fn crop(version: &str) -> String {
        format!(r#"{{"name":"lantern/crop","version":"{version}","entry":["bin/crop"],"arguments":["-x"]}}"#)
    }

    fn bundles(aliases: &[(&str, &str)]) -> (tempfile::TempDir, Bundles) {
        let dir = tempfile::tempdir().unwrap();
        install(dir.path(), "a", &crop("1.9"));
        install(dir.path(), "b", &crop("1.10"));
        let aliases = aliases.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        let (bundles, errors) = Bundles::scan(&[dir.path().into()], aliases);
        assert!(errors.is_empty(), "{errors:?}");
        (dir, bundles)
    }

    #[test]
    fn images_lead_to_bundles_by_name_and_version() {
        let (_dir, bundles) = bundles(&[]);
        let version = |image: &str| bundles.resolve(image).map(|bundle| bundle.version.clone()).ok();
        assert_eq!(version("lantern/crop").as_deref(), Some("1.10"));
        assert_eq!(version("lantern/crop:latest").as_deref(), Some("1.10"));
        assert_eq!(version("lantern/crop:1.9").as_deref(), Some("1.9"));
        assert_eq!(version("lantern/shell").as_deref(), Some("1"));
        for image in [
            "lantern/crop:2",
            "crop",
            "registry:5000/lantern/crop",
            "",
            ":",
            "a:",
            "/a",
            "a//b",
            "../a",
            "a b",
        ] {
            assert_eq!(version(image), None, "{image}");
        }
    }

    #[test]
    fn aliases_lead_from_any_image_to_a_bundle() {
        let (_dir, bundles) = bundles(&[
            ("registry:5000/nv/crop", "lantern/crop:1.9"),
            ("registry:5000/nv/crop:3", "lantern/crop:1.10"),
            ("dead", "no/such"),
            ("*", "lantern/shell"),
        ]);
        let found = |image: &str| bundles.resolve(image).map(|b| format!("{}:{}", b.name, b.version)).ok();
        assert_eq!(found("registry:5000/nv/crop:7").as_deref(), Some("lantern/crop:1.9"));
        assert_eq!(found("registry:5000/nv/crop:3").as_deref(), Some("lantern/crop:1.10"));
        assert_eq!(found("ubuntu:22.04").as_deref(), Some("lantern/shell:1"));
        assert_eq!(found("dead"), None);
    }

    #[test]
    fn the_entry_comes_first_and_the_definitions_command_replaces_the_arguments() {
        let (_dir, bundles) = bundles(&[]);
        let bundle = bundles.resolve("lantern/crop").unwrap();
        assert_eq!(bundle.run(&[], true).command, ["/opt/operator/bin/crop", "-x"]);
        let run = bundle.run(&["-y".into()], true);
        assert_eq!(run.command, ["/opt/operator/bin/crop", "-y"]);
        assert_eq!((run.mounts[0].place.as_str(), run.mounts[0].access), (PLACE, Access::ReadOnly));
        run.check().unwrap();
        let plain = bundle.run(&[], false);
        assert_eq!(plain.command[0], format!("{}/bin/crop", bundle.folder.as_ref().unwrap().display()));
        assert_eq!(Bundle::shell().run(&["sh".into(), "-c".into()], true).command, ["sh", "-c"]);
    }

    #[test]
    fn unusable_bundles_are_told_and_the_rest_still_found() {
        let dir = tempfile::tempdir().unwrap();
        install(dir.path(), "a", &crop("1"));
        install(dir.path(), "again", &crop("1"));
        install(dir.path(), "bad-json", "{");
        install(dir.path(), "no-program", r#"{"name":"x","version":"1","entry":["bin/none"]}"#);
        install(dir.path(), "escape", r#"{"name":"x","version":"1","entry":["../a/bin/crop"]}"#);
        install(dir.path(), "unknown-key", r#"{"name":"x","version":"1","command":["x"]}"#);
        install(dir.path(), "tagged", r#"{"name":"x:1","version":"1"}"#);
        let (bundles, errors) = Bundles::scan(&[dir.path().into(), dir.path().join("none")], BTreeMap::new());
        assert_eq!((bundles.all().len(), errors.len()), (2, 7), "{errors:?}");
    }

    #[test]
    fn a_digest_sees_every_change_and_nothing_else() {
        let (dir, bundles) = bundles(&[]);
        let bundle = bundles.resolve("lantern/crop:1.9").unwrap();
        let first = bundle.digest().unwrap();
        assert_eq!(bundle.digest().unwrap(), first);
        assert!(first.starts_with("sha256:") && first.len() == 71);
        let file = dir.path().join("a/bin/crop");
        fs::write(&file, "#!/bin/sh\n#").unwrap();
        let changed = bundle.digest().unwrap();
        fs::rename(&file, dir.path().join("a/bin/pocr")).unwrap();
        let renamed = bundle.digest().unwrap();
        fs::rename(dir.path().join("a/bin/pocr"), &file).unwrap();
        fs::write(&file, "#!/bin/sh\n").unwrap();
        assert_eq!(bundle.digest().unwrap(), first);
        assert!(first != changed && changed != renamed && first != renamed);
        assert_ne!(Bundle::shell().digest().unwrap(), first);
    }
}
