//! What is to be run: the command, what it sees of the machine, and how much of it.
//!
//! Says nothing about how this is brought about; [`RunSpec::check`] refuses what no executor could honour.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{ExecutorError, FastIo};

/// Names one attempt to run one operator. The same token never runs twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunToken(u128);

impl RunToken {
    /// From 128 bits that the caller drew at random, or read back.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The 128 bits.
    pub const fn to_bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for RunToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RunToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunToken({self})")
    }
}

impl FromStr for RunToken {
    type Err = ExecutorError;

    /// Takes exactly what `Display` writes, so that a token is also a safe name of a folder.
    fn from_str(text: &str) -> Result<Self, ExecutorError> {
        let is_canonical = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let bits = is_canonical.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        bits.map(Self).ok_or_else(|| ExecutorError::BadToken { text: text.chars().take(40).collect() })
    }
}

/// One operator, ready to run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunSpec {
    /// The container image, for executors that run images.
    pub image: Option<String>,
    /// The program and its arguments; a program without `/` is looked for in `PATH`. With an image, as for containers:
    /// what follows its entry point, or nothing for what the image runs by itself.
    pub command: Vec<String>,
    /// The whole environment: nothing of the server's own is added but what the executor documents.
    pub environment: BTreeMap<String, String>,
    /// Where the program starts; empty is `/`.
    pub working_dir: String,
    /// What it sees of the host's files, besides the system's programs.
    pub mounts: Vec<Mount>,
    /// What it may use up.
    pub limits: Limits,
    /// Whether it may use the network.
    pub is_network_allowed: bool,
    /// The GPUs that are its own; it sees no other.
    pub gpus: Vec<Gpu>,
    /// Its line to the platform, if it gets one.
    pub fastio: Option<FastIo>,
    /// Whether the manifest lists what was written, with SHA-256.
    pub hashes_outputs: bool,
}

/// A folder of the host at a place of the operator's file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The folder on the host; absolute.
    pub host: PathBuf,
    /// Where the operator finds it; absolute.
    pub place: String,
    /// What it may do there.
    pub access: Access,
}

/// What an operator may do with a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Read.
    ReadOnly,
    /// Read and write; counts towards the disk quota.
    Writable,
}

/// What a run may use up. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Thousandths of a processor; more is throttled.
    pub cpu_millis: Option<u32>,
    /// Memory of all its processes together.
    pub memory_bytes: Option<u64>,
    /// Processes and threads at the same time.
    pub processes: Option<u32>,
    /// What its writable folders may take on disk when it ends, what was there before included.
    pub disk_bytes: Option<u64>,
    /// What is kept of its log; the rest is dropped, and the log says so.
    pub log_bytes: u64,
    /// What `/tmp` and `/dev/shm` may hold, each.
    pub temporary_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu_millis: None,
            memory_bytes: None,
            processes: None,
            disk_bytes: None,
            log_bytes: 1 << 30,
            temporary_bytes: 1 << 30,
        }
    }
}

/// A GPU that was assigned to a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// How the driver names it: its UUID (`GPU-…`), or its index.
    pub id: String,
    /// The number of its device file, as in `/dev/nvidia0`.
    pub device_number: u32,
}

/// Longest command line and environment together, as Linux allows for one argument list by default.
const MAX_TEXT_BYTES: usize = 1 << 20;
const MAX_MOUNTS: usize = 256;

impl RunSpec {
    /// Refuses what cannot be run as written.
    ///
    /// # Errors
    /// [`ExecutorError::BadSpec`] names the first fault.
    pub fn check(&self) -> Result<(), ExecutorError> {
        let bad = |reason: String| Err(ExecutorError::BadSpec { reason });
        match &self.image {
            None if self.command.first().is_none_or(String::is_empty) => {
                return bad("the command is empty".into());
            }
            Some(image) if !is_image_name(image) => {
                let start: String = image.chars().take(300).collect();
                return bad(format!("`{start}` is no name of an image"));
            }
            _ => {}
        }
        let env = self.environment.iter().flat_map(|(name, value)| [name, value]);
        let texts = || self.command.iter().chain(env.clone());
        if texts().any(|text| text.contains('\0')) {
            return bad("the command or its environment holds a zero character".into());
        }
        if texts().map(|text| text.len() + 1).sum::<usize>() > MAX_TEXT_BYTES {
            return bad(format!("command and environment are longer than {MAX_TEXT_BYTES} bytes"));
        }
        if let Some(name) = self.environment.keys().find(|name| name.is_empty() || name.contains('=')) {
            return bad(format!("`{name}` is no name of an environment variable"));
        }
        if !self.working_dir.is_empty() && !is_clean_place(&self.working_dir) {
            return bad(format!("the working folder `{}` is not absolute and plain", self.working_dir));
        }
        if self.mounts.len() > MAX_MOUNTS {
            return bad(format!("{} folders are more than {MAX_MOUNTS}", self.mounts.len()));
        }
        for (at, mount) in self.mounts.iter().enumerate() {
            if !mount.host.is_absolute() {
                return bad(format!("the folder for `{}` is not absolute", mount.place));
            }
            if !is_clean_place(&mount.place) || is_reserved_place(&mount.place) {
                return bad(format!("`{}` is no place for a folder", mount.place));
            }
            if self.mounts.iter().take(at).any(|other| other.place == mount.place) {
                return bad(format!("`{}` is used twice", mount.place));
            }
        }
        if self.limits.cpu_millis == Some(0) || self.limits.processes == Some(0) {
            return bad("a limit of zero processors or processes lets nothing run".into());
        }
        Ok(())
    }
}

/// Where else than from a registry Podman would take an image, `docker` excepted, which needs a `//` behind it.
const TRANSPORTS: [&str; 9] = [
    "containers-storage",
    "dir",
    "docker-archive",
    "docker-daemon",
    "oci",
    "oci-archive",
    "ostree",
    "sif",
    "tarball",
];

/// Whether this is a name of an image: `[host[:port]/]part/…[:tag][@digest]`. None of them can be taken for an option,
/// nor for a folder or file of this machine.
fn is_image_name(name: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_word =
        |word: &str| word.starts_with(|c: char| c.is_ascii_alphanumeric()) && word.bytes().all(is_fit);
    let is_tag = |tag: &str| !tag.starts_with(['.', '-']) && !tag.is_empty() && tag.bytes().all(is_fit);
    let is_port = |port: &str| port.parse::<u16>().is_ok() && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_digest = |digest: &str| {
        let (kind, hex) = cut(digest, ':');
        let is_hex = |hex: &str| !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        kind.split('+').all(is_word) && hex.is_some_and(is_hex)
    };
    let (path, digest) = cut(name, '@');
    let mut parts: Vec<&str> = path.split('/').collect();
    let (last, tag) = cut(parts.pop().unwrap_or_default(), ':');
    let (host, port) = parts.first().map_or(("", None), |host| cut(host, ':'));
    if let Some(first) = parts.first_mut() {
        *first = host;
    }
    name.len() <= 1024
        && is_word(last)
        && parts.into_iter().all(is_word)
        && tag.is_none_or(is_tag)
        && port.is_none_or(is_port)
        && digest.is_none_or(is_digest)
        && name.split_once(':').is_none_or(|(first, _)| !TRANSPORTS.contains(&first))
}

/// What comes before a separator, and behind it if it is there.
fn cut(text: &str, separator: char) -> (&str, Option<&str>) {
    text.split_once(separator).map_or((text, None), |(before, behind)| (before, Some(behind)))
}

/// Absolute, without `.`, `..`, empty parts or control characters, and not the root itself.
fn is_clean_place(place: &str) -> bool {
    let Some(rest) = place.strip_prefix('/') else { return false };
    let is_plain = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= 255;
    rest.split('/').all(is_plain) && place.len() < 4096 && !place.chars().any(char::is_control)
}

/// What belongs to the sandbox itself.
fn is_reserved_place(place: &str) -> bool {
    let top = place.split('/').nth(1).unwrap_or_default();
    let is_systems = matches!(top, "proc" | "dev" | "sys" | "usr" | "bin" | "sbin" | "etc" | ".lantern");
    is_systems || matches!(top, "lib" | "lib32" | "lib64" | "libx32") || place == "/tmp"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(change: impl FnOnce(&mut RunSpec)) -> Result<(), ExecutorError> {
        let mut spec = RunSpec { command: vec!["true".into()], ..RunSpec::default() };
        change(&mut spec);
        spec.check()
    }

    fn mount(host: &str, place: &str) -> Mount {
        Mount { host: host.into(), place: place.into(), access: Access::ReadOnly }
    }

    #[test]
    fn a_token_reads_back_only_as_it_was_written() {
        let token = RunToken::from_bits(0xabc);
        assert_eq!(token.to_string().parse::<RunToken>().unwrap(), token);
        for text in ["", "..", "ABC", "00000000000000000000000000000ABC", "+0000000000000000000000000000abc"]
        {
            assert!(text.parse::<RunToken>().is_err(), "{text}");
        }
    }

    #[test]
    fn plain_specs_pass() {
        spec(|_| ()).unwrap();
        spec(|s| s.mounts = vec![mount("/a", "/input"), mount("/b", "/tmp/x"), mount("/a", "/in/put.2")])
            .unwrap();
    }

    #[test]
    fn an_image_may_bring_its_command_and_has_a_plain_name() {
        let named = |name: &str| RunSpec { image: Some(name.into()), ..RunSpec::default() }.check();
        for good in [
            "a",
            "docker:24",
            "oci",
            "localhost/a_b:1.2",
            "library/oci:1",
            "registry.example.org:5000/x/y-z@sha256:00ff",
            "registry:5000/x/y/z:1.2-rc_3@sha256:00ff",
            "a:_1",
            "sha256:00ff",
        ] {
            named(good).unwrap();
        }
        for bad in ["", "--privileged", "a b", "a\nb", "/a", "ä", &"a".repeat(1025)] {
            assert!(named(bad).is_err(), "{bad:?}");
        }
        for elsewhere in [
            "dir:/srv/x",
            "dir:srv",
            "oci:5000/x:1",
            "docker-archive:/srv/x.tar",
            "oci:x:1",
            "oci:/srv/x:latest",
            "docker-daemon:x:1",
            "docker://registry/x",
            "containers-storage:x",
            "ostree:x@/repo",
            "http://registry/x",
        ] {
            assert!(named(elsewhere).is_err(), "{elsewhere:?}");
        }
        for bad in
            ["a:", "a@", "a@sha256", "a//b", "a/", "../a", "a/../b", "a:b/c", "a:1:2", "a/-b", "h:70000/a"]
        {
            assert!(named(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        assert!(spec(|s| s.command.clear()).is_err());
        assert!(spec(|s| s.command = vec!["".into()]).is_err());
        assert!(spec(|s| s.command.push("a\0b".into())).is_err());
        assert!(spec(|s| s.command.push("x".repeat(MAX_TEXT_BYTES))).is_err());
        assert!(spec(|s| drop(s.environment.insert("A=B".into(), "c".into()))).is_err());
        assert!(spec(|s| drop(s.environment.insert(String::new(), "c".into()))).is_err());
        assert!(spec(|s| s.working_dir = "a".into()).is_err());
        assert!(spec(|s| s.limits.processes = Some(0)).is_err());
        for place in [
            "input", "/", "", "/a/../b", "/a//b", "/a/", "/./a", "/a\nb", "/usr/x", "/proc", "/lib64", "/tmp",
        ] {
            assert!(spec(|s| s.mounts = vec![mount("/a", place)]).is_err(), "{place:?}");
        }
        assert!(spec(|s| s.mounts = vec![mount("a", "/input")]).is_err());
        assert!(spec(|s| s.mounts = vec![mount("/a", "/input"), mount("/b", "/input")]).is_err());
    }
}
