//! How the engine is to be called for a run: what the operator sees of the machine, and how much of it.
//!
//! Everything that matters is said, also where it is the engine's default, since configuration files change defaults.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::host::{ContainerHost, Kind, RUN_LABEL, SERVER_LABEL, container_name};
use super::image::Image;
use crate::executor::RunSpec;
use crate::executor::spec::Access;

/// Where the container finds what is ours.
const OWN_PLACE: &str = "/.lantern";

/// The socket on which the shim waits for the init, as the init finds it.
pub(in crate::executor) const SOCKET_PLACE: &str = "/.lantern/socket";

/// What a container is made of, besides the run itself.
#[derive(Debug, Clone)]
pub(in crate::executor) struct Ingredients {
    pub(in crate::executor) token: String,
    /// The shim's socket on the host.
    pub(in crate::executor) socket: PathBuf,
    /// Libraries of the shim's program on the host; none if it is a static one.
    pub(in crate::executor) libraries: Vec<PathBuf>,
    /// Soft and hard limits of this process, for engines that want more than they can have by default.
    pub(in crate::executor) open_files: Option<(u64, u64)>,
    pub(in crate::executor) user_processes: Option<(u64, u64)>,
    /// What makes the shim's program the init of a container.
    pub(in crate::executor) init_argument: &'static str,
}

/// Everything behind the engine's own arguments.
pub(in crate::executor) fn run_arguments(
    host: &ContainerHost,
    image: &Image,
    run: &RunSpec,
    own: &Ingredients,
) -> Vec<String> {
    let mut list = List(Vec::with_capacity(96));
    list.add(["run", "--rm", "--name"]).add([container_name(&own.token)]);
    list.add(["--label".to_owned(), format!("{SERVER_LABEL}={}", host.server)]);
    list.add(["--label".to_owned(), format!("{RUN_LABEL}={}", own.token)]);
    // The digest that was looked at is what runs.
    list.add(["--pull", "never", "--init=false", "--log-driver", "none"]);
    walls(&mut list, host, run);
    limits(&mut list, host, run, own);
    storage(&mut list, host, image, run, own);
    graphics(&mut list, host, run);
    entry(&mut list, host, image, own);
    list.0
}

struct List(Vec<String>);

impl List {
    fn add<T: Into<String>, const N: usize>(&mut self, parts: [T; N]) -> &mut Self {
        self.0.extend(parts.map(Into::into));
        self
    }
}

fn walls(list: &mut List, host: &ContainerHost, run: &RunSpec) {
    match (&host.network, run.is_network_allowed) {
        (_, false) => drop(list.add(["--network", "none"])),
        (Some(network), true) => drop(list.add(["--network", network])),
        (None, true) => {}
    }
    list.add(["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]);
    // Where SELinux separates containers, the run's folders and the shim's socket would be out of reach, and giving
    // them a label would change files that are the user's.
    list.add(["--security-opt", "label=disable"]);
    list.add(["--ipc", "private", "--hostname", "operator", "--workdir", "/"]);
    if host.kind == Kind::Podman {
        // Else it would put folders without limit over the read-only root.
        list.add(["--read-only-tmpfs=false"]);
        // The init ends everybody whom it sees, and groups are what holds a run to its limits.
        list.add(["--pid", "private", "--cgroups", "enabled"]);
    }
    if let Some((user, group)) = host.user {
        list.add(["--user".to_owned(), format!("{user}:{group}")]);
        if host.is_rootless && host.kind == Kind::Podman {
            // The same number inside and outside, so that what the run writes is the server's.
            list.add(["--userns", "keep-id"]);
        }
    }
}

fn limits(list: &mut List, host: &ContainerHost, run: &RunSpec, own: &Ingredients) {
    let limits = &run.limits;
    if let Some(bytes) = limits.memory_bytes {
        // The sum of memory and swap: no swap.
        list.add([
            "--memory".to_owned(),
            format!("{bytes}b"),
            "--memory-swap".to_owned(),
            format!("{bytes}b"),
        ]);
    }
    if let Some(millis) = limits.cpu_millis {
        list.add(["--cpus".to_owned(), format!("{}.{:03}", millis / 1000, millis % 1000)]);
    }
    // One more for the init; -1 is none, where the engine has a default.
    let processes = limits.processes.map_or(-1, |count| i64::from(count) + 1);
    list.add(["--pids-limit".to_owned(), processes.to_string()]);
    list.add(["--ulimit", "core=0:0"]);
    if host.kind == Kind::Podman {
        for (name, value) in [("nofile", own.open_files), ("nproc", own.user_processes)] {
            if let Some((soft, hard)) = value {
                list.add(["--ulimit".to_owned(), format!("{name}={soft}:{hard}")]);
            }
        }
    }
}

fn storage(list: &mut List, host: &ContainerHost, image: &Image, run: &RunSpec, own: &Ingredients) {
    let temporary = run.limits.temporary_bytes.max(4096);
    let scratch = |place: &str| format!("{place}:rw,nosuid,nodev,size={temporary},mode=1777");
    list.add(["--shm-size".to_owned(), format!("{temporary}b"), "--tmpfs".to_owned(), scratch("/tmp")]);
    let is_given = |place: &str| run.mounts.iter().any(|mount| mount.place == place);
    let is_clear = |place: &str| !matches!(place, "" | "/tmp") && !place.contains([':', ',']);
    let volumes: BTreeSet<String> = image.volumes.iter().filter_map(|place| cleaned(place)).collect();
    for volume in volumes.iter().filter(|place| is_clear(place) && !is_given(place)) {
        list.add(["--tmpfs".to_owned(), scratch(volume)]);
    }
    let mut mount = |source: &Path, place: &str, access: Access| {
        let end = if access == Access::ReadOnly { ",readonly" } else { "" };
        let text = format!("type=bind,source={},target={place}{end}", source.display());
        list.add(["--mount".to_owned(), text]);
    };
    mount(&own.socket, SOCKET_PLACE, Access::ReadOnly);
    let shim = host.shim.first().map(PathBuf::from).unwrap_or_default();
    mount(&shim, &format!("{OWN_PLACE}/init"), Access::ReadOnly);
    for library in &own.libraries {
        let name = library.file_name().unwrap_or_default().to_string_lossy();
        mount(library, &format!("{OWN_PLACE}/lib/{name}"), Access::ReadOnly);
    }
    // Outer places first, so that one inside another lands on top of it.
    let mut mounts: Vec<_> = run.mounts.iter().collect();
    mounts.sort_by_key(|mount| mount.place.split('/').count());
    for given in mounts {
        mount(&given.host, &given.place, given.access);
    }
}

/// An absolute place as engines take it, without what leads nowhere; the root itself is empty.
fn cleaned(place: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in place.strip_prefix('/')?.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Some(parts.iter().map(|part| format!("/{part}")).collect())
}

/// The GPUs that are the run's own; images and engines that would show all of them are told that there is none.
fn graphics(list: &mut List, host: &ContainerHost, run: &RunSpec) {
    if run.gpus.is_empty() {
        list.add(["--env", "NVIDIA_VISIBLE_DEVICES=void"]);
        return;
    }
    match host.kind {
        Kind::Podman => {
            list.add(["--env", "NVIDIA_VISIBLE_DEVICES=void"]);
            for gpu in &run.gpus {
                list.add(["--device".to_owned(), format!("nvidia.com/gpu={}", gpu.id)]);
            }
        }
        Kind::Docker => {
            let ids: Vec<&str> = run.gpus.iter().map(|gpu| gpu.id.as_str()).collect();
            // The quotes are part of the value, which is a line of comma-separated fields.
            list.add(["--gpus".to_owned(), format!("\"device={}\"", ids.join(","))]);
        }
    }
}

/// The shim's program, or the loader that it needs with the program behind it: images need not have either.
fn entry(list: &mut List, host: &ContainerHost, image: &Image, own: &Ingredients) {
    let init = format!("{OWN_PLACE}/init");
    let loader = own.libraries.iter().filter_map(|path| path.file_name()?.to_str());
    let loader = loader.into_iter().find(|name| name.starts_with("ld-"));
    match loader {
        None => drop(list.add(["--entrypoint", &init, &image.id])),
        Some(loader) => {
            let libraries = format!("{OWN_PLACE}/lib");
            list.add(["--entrypoint".to_owned(), format!("{libraries}/{loader}"), image.id.clone()]);
            list.add(["--library-path", &libraries, &init]);
        }
    }
    list.0.extend(host.shim.iter().skip(1).cloned());
    list.add([own.init_argument]);
}

/// The files that this process has mapped as code: its libraries and their loader, as `/proc/self/maps` lists them.
pub(in crate::executor) fn libraries(maps: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for line in maps.lines() {
        let Some((_, path)) = line.split_once(" /") else { continue };
        let path = PathBuf::from(format!("/{}", path.trim_start()));
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_library = name.starts_with("ld-") || name.ends_with(".so") || name.contains(".so.");
        if is_library && !found.contains(&path) {
            found.push(path);
        }
    }
    found
}

/// Whether a path can stand in a list of comma-separated fields as it is.
pub(in crate::executor) fn is_plain(path: &str) -> bool {
    !path.contains([',', '"', '\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::container::Pull;
    use crate::executor::spec::{Gpu, Limits, Mount};

    fn host(kind: Kind) -> ContainerHost {
        ContainerHost {
            kind,
            program: "/usr/bin/engine".into(),
            engine_arguments: Vec::new(),
            environment: Vec::new(),
            server: "0123".into(),
            pull: Pull::Missing,
            network: None,
            user: Some((65534, 65533)),
            is_rootless: false,
            shim: vec!["/opt/lantern".into(), "operator-shim".into()],
        }
    }

    fn run() -> RunSpec {
        let mount =
            |host: &str, place: &str, access| Mount { host: host.into(), place: place.into(), access };
        RunSpec {
            command: vec!["true".into()],
            mounts: vec![
                mount("/data/a/deep", "/output/deep", Access::ReadOnly),
                mount("/data/a", "/output", Access::Writable),
            ],
            limits: Limits {
                cpu_millis: Some(1500),
                memory_bytes: Some(64 << 20),
                processes: Some(30),
                temporary_bytes: 1 << 20,
                ..Limits::default()
            },
            ..RunSpec::default()
        }
    }

    fn image() -> Image {
        let text = br#"[{"Id":"sha256:ab","Config":{"Volumes":{"/cache":{},"/output":{},"/a,b":{}}}}]"#;
        Image::parse(text).unwrap()
    }

    fn own(libraries: &[&str]) -> Ingredients {
        Ingredients {
            token: "00ff".into(),
            socket: "/state/runs/00ff.socket".into(),
            libraries: libraries.iter().map(PathBuf::from).collect(),
            open_files: Some((1024, 4096)),
            user_processes: None,
            init_argument: "--inside-container",
        }
    }

    /// One line, with a space at both ends.
    fn line(host: &ContainerHost, run: &RunSpec) -> String {
        format!(" {} ", run_arguments(host, &image(), run, &own(&[])).join(" "))
    }

    #[test]
    fn both_engines_are_told_every_wall_and_every_limit() {
        for kind in [Kind::Podman, Kind::Docker] {
            let line = line(&host(kind), &run());
            for part in [
                " run --rm --name lantern-00ff --label lantern.server=0123 --label lantern.run=00ff ",
                " --pull never --init=false --log-driver none ",
                " --network none ",
                " --read-only --cap-drop ALL --security-opt no-new-privileges ",
                " --ipc private --hostname operator ",
                " --user 65534:65533 ",
                " --memory 67108864b --memory-swap 67108864b ",
                " --cpus 1.500 ",
                " --pids-limit 31 ",
                " --ulimit core=0:0 ",
                " --shm-size 1048576b --tmpfs /tmp:rw,nosuid,nodev,size=1048576,mode=1777 ",
                " --tmpfs /cache:rw,nosuid,nodev,size=1048576,mode=1777 ",
                " --mount type=bind,source=/state/runs/00ff.socket,target=/.lantern/socket,readonly ",
                " --mount type=bind,source=/opt/lantern,target=/.lantern/init,readonly ",
                " --mount type=bind,source=/data/a,target=/output --mount type=bind,source=/data/a/deep,target=/output/deep,readonly ",
                " --env NVIDIA_VISIBLE_DEVICES=void ",
                " --entrypoint /.lantern/init sha256:ab operator-shim --inside-container ",
            ] {
                assert!(line.contains(part), "{kind:?}: {part} in {line}");
            }
            assert!(!line.contains("--tmpfs /output") && !line.contains("--tmpfs /a"), "{line}");
        }
    }

    #[test]
    fn volumes_of_an_image_never_cover_the_runs_own_folders() {
        let volumes = r#"{"/output/":{},"//output":{},"/output/./":{},"/x/../output":{},"/":{},"/tmp/":{},
            "/cache/":{},"/cache":{},"relative":{}}"#;
        let text = format!(r#"[{{"Id":"sha256:ab","Config":{{"Volumes":{volumes}}}}}]"#);
        let image = Image::parse(text.as_bytes()).unwrap();
        let list = run_arguments(&host(Kind::Docker), &image, &run(), &own(&[]));
        let scratch: Vec<&str> = list
            .windows(2)
            .filter(|pair| pair[0] == "--tmpfs")
            .map(|pair| pair[1].split(':').next().unwrap())
            .collect();
        assert_eq!(scratch, ["/tmp", "/cache"]);
    }

    #[test]
    fn each_engine_gets_only_what_it_knows() {
        let podman = line(&host(Kind::Podman), &run());
        for part in
            [" --read-only-tmpfs=false ", " --pid private --cgroups enabled ", " --ulimit nofile=1024:4096 "]
        {
            assert!(podman.contains(part), "{part}");
        }
        assert!(!podman.contains("keep-id") && !podman.contains("nproc"));
        let rootless = ContainerHost { is_rootless: true, ..host(Kind::Podman) };
        assert!(line(&rootless, &run()).contains(" --userns keep-id "));
        let docker = line(&ContainerHost { is_rootless: true, ..host(Kind::Docker) }, &run());
        for unknown in ["--read-only-tmpfs", "--pid ", "--cgroups", "nofile", "keep-id", "--userns"] {
            assert!(!docker.contains(unknown), "{unknown}");
        }
    }

    #[test]
    fn without_limits_nothing_is_left_to_the_engines_defaults() {
        let line = line(&host(Kind::Podman), &RunSpec { limits: Limits::default(), ..run() });
        assert!(line.contains(" --pids-limit -1 ") && !line.contains("--memory") && !line.contains("--cpus"));
    }

    #[test]
    fn the_network_is_the_engines_or_the_named_one_only_when_allowed() {
        let open = RunSpec { is_network_allowed: true, ..run() };
        let named = ContainerHost { network: Some("host".into()), ..host(Kind::Docker) };
        assert!(line(&named, &open).contains(" --network host "));
        assert!(line(&named, &run()).contains(" --network none "));
        assert!(!line(&host(Kind::Docker), &open).contains("--network"));
    }

    #[test]
    fn gpus_are_given_one_by_one() {
        let gpu = |id: &str| Gpu { id: id.into(), device_number: 0 };
        let asked = RunSpec { gpus: vec![gpu("GPU-1"), gpu("GPU-2")], ..run() };
        let podman = line(&host(Kind::Podman), &asked);
        assert!(podman.contains(" --device nvidia.com/gpu=GPU-1 --device nvidia.com/gpu=GPU-2 "), "{podman}");
        let docker = line(&host(Kind::Docker), &asked);
        assert!(docker.contains(" --gpus \"device=GPU-1,GPU-2\" ") && !docker.contains("void"), "{docker}");
    }

    #[test]
    fn who_may_take_the_images_user_names_none() {
        let line = line(&ContainerHost { user: None, ..host(Kind::Docker) }, &run());
        assert!(!line.contains("--user"), "{line}");
    }

    #[test]
    fn a_program_with_libraries_brings_them_and_its_loader() {
        let maps = "5580-5581 r-xp 0 08:01 1   /opt/lantern\n\
                    7f00-7f01 r--p 0 08:01 2   /usr/lib/libc.so.6\n\
                    7f01-7f02 r-xp 0 08:01 2   /usr/lib/libc.so.6\n\
                    7f03-7f04 rw-p 0 00:00 0 \n\
                    7f05-7f06 r-xp 0 00:00 0   [vdso]\n\
                    7f07-7f08 r-xp 0 08:01 3   /usr/lib/ld-linux-x86-64.so.2\n";
        let found = libraries(maps);
        assert_eq!(found, [PathBuf::from("/usr/lib/libc.so.6"), "/usr/lib/ld-linux-x86-64.so.2".into()]);
        let own = Ingredients { libraries: found, ..own(&[]) };
        let list = run_arguments(&host(Kind::Docker), &image(), &run(), &own).join(" ");
        let entry = "--entrypoint /.lantern/lib/ld-linux-x86-64.so.2 sha256:ab \
                     --library-path /.lantern/lib /.lantern/init operator-shim --inside-container";
        assert!(list.ends_with(entry), "{list}");
        let bound = "source=/usr/lib/libc.so.6,target=/.lantern/lib/libc.so.6,readonly";
        assert!(list.contains(bound), "{list}");
    }
}
