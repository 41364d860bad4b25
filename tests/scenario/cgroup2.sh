#!/usr/bin/env bash
# Runs the executor's tests in a virtual machine whose kernel has control groups of version 2 only, with a delegated
# group as systemd would give: the machine that runs the other tests may have version 1.
# Needs qemu-system-x86, busybox-static, attr, cpio and bubblewrap; takes Debian's own kernel. `make test-cgroup2` installs them.
set -euo pipefail
cd "$(dirname "$0")/../.."

tests=(executor_limits executor_process executor_sandbox)
work=target/cgroup2
root=$work/root
rm -rf "$root"
mkdir -p "$root"/{usr/bin,usr/lib,proc,sys,dev,tmp,etc,run} "$work/kernel"

# Debian's kernel for virtual machines, unpacked only.
if ! ls "$work"/kernel/boot/vmlinuz-* >/dev/null 2>&1; then
	package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
	(cd "$work" && apt-get download -qq "$package")
	dpkg-deb -x "$work"/linux-image-*.deb "$work/kernel"
	rm "$work"/linux-image-*.deb
fi

# The tests and the shim, where they were built: the path of the shim is compiled in.
cargo build --locked -p platform-server --bins
programs=()
for test in "${tests[@]}"; do
	programs+=("$(cargo test --locked -p platform-server --test "$test" --no-run 2>&1 |
		sed -n 's/.*Executable.*(\(.*\))/\1/p' | xargs realpath)")
done
shim=$(realpath target/debug/lantern-shim)

# Merged /usr, as on Debian; each program with the libraries it asks for.
for folder in bin lib lib64 sbin; do ln -s "usr/$folder" "$root/$folder"; done
mkdir -p "$root"/usr/{lib64,sbin}
copy() {
	install -D "$1" "$root$1"
	ldd "$1" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
		target="$root$(realpath "$(dirname "$library")")/$(basename "$library")"
		[ -e "$target" ] || install -D "$library" "$target"
	done
}
for program in bwrap setfattr dash bash hostname setsid grep mawk $(dpkg -L coreutils | sed -n 's,^\(/usr\)\?/bin/,,p'); do copy "$(type -P "$program" | sed 's,^/bin/,/usr/bin/,')"; done
ln -sf mawk "$root/usr/bin/awk"
ln -sf dash "$root/usr/bin/sh"
for program in "$shim" "${programs[@]}"; do
	copy "$program"
	strip "$root$program"
done
cp /usr/bin/busybox "$root/usr/bin/busybox" 2>/dev/null || cp /bin/busybox "$root/usr/bin/busybox"
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
printf 'passwd: files\ngroup: files\n' >"$root/etc/nsswitch.conf"

# The sandbox changes its root, which the kernel refuses in the first file system: everything goes to another one.
cat >"$root/init" <<'INIT'
#!/usr/bin/busybox sh
b=/usr/bin/busybox
$b mkdir /new
$b mount -t tmpfs -o size=80% tmpfs /new
for part in bin lib lib64 sbin usr etc work start; do [ -e /$part ] && $b cp -a /$part /new/; done
for other in /*; do case $other in /bin|/lib|/lib64|/sbin|/usr|/etc|/new|/init|/proc|/sys|/dev|/tmp|/run|/start) ;; *) $b cp -a "$other" /new/ ;; esac; done
$b mkdir -p /new/proc /new/sys /new/dev /new/tmp /new/run /new/root
exec $b switch_root /new /start
INIT
cat >"$root/start" <<START
#!/usr/bin/busybox sh
b=/usr/bin/busybox
\$b mount -t proc proc /proc
\$b mount -t sysfs sysfs /sys
\$b mount -t devtmpfs dev /dev
\$b mkdir -p /dev/shm /dev/pts
\$b mount -t tmpfs shm /dev/shm
\$b chmod 1777 /tmp
\$b ip link set lo up
\$b mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo '+memory +pids +cpu' > /sys/fs/cgroup/cgroup.subtree_control
export PATH=/usr/bin REQUIRE_SANDBOX=1 REQUIRE_CGROUP_V2=1 LANG=C.UTF-8
failed=0
for program in ${programs[*]}; do
	# A group of its own, marked as systemd marks what it delegates.
	group=/sys/fs/cgroup/\$(\$b basename \$program)
	\$b mkdir \$group
	setfattr -n user.delegate -v 1 \$group
	\$b sh -c "echo 0 > \$group/cgroup.procs; exec \$program --test-threads=2" || failed=1
done
echo "cgroup2: failed=\$failed"
\$b poweroff -f
START
chmod +x "$root/init" "$root/start"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initrd.gz"

# Emulated: machines that are virtual themselves often offer a KVM that fails, and some hang with it.
timeout 1500 qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 3072 -nographic -no-reboot -nic none \
	-kernel "$work"/kernel/boot/vmlinuz-* -initrd "$work/initrd.gz" \
	-append 'console=ttyS0 quiet panic=-1' </dev/null 2>&1 | tee "$work/log"
grep -q '^cgroup2: failed=0' "$work/log"
