# Two commands matter: `make run` and `make test`. Both do their own set-up.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

SAMPLE := assets/sample
SCREENSHOT ?= screenshot.png
# Build: a C++ compiler and cmake for the JPEG-LS codec. Run: libraries that the window opens at run time, and the
# software Vulkan driver for machines without a graphics card. Test: a virtual display; python3-venv for the
# published client of the platform; postgresql for servers of the tests' own. bubblewrap: the sandbox of operators.
# podman, with runc since crun refuses cgroups of both versions at once: operators in containers; busybox-static: the
# image that their tests run. dicom3tools: the validator that reports of measurements and copies without identity have
# to pass.
PACKAGES := g++ cmake make pkg-config ca-certificates tar xz-utils \
	libvulkan1 mesa-vulkan-drivers libegl1 libgl1 libegl-mesa0 libgl1-mesa-dri \
	libx11-6 libx11-xcb1 libxcursor1 libxi6 libxrandr2 libxkbcommon0 libxkbcommon-x11-0 libwayland-client0 \
	xvfb xauth desktop-file-utils bubblewrap podman runc busybox-static python3-venv postgresql \
	dicom3tools
# Installing postgresql would also set up a server and start it with the machine; the tests need its programs only.
CREATECLUSTER := /etc/postgresql-common/createcluster.conf
CARGO_DENY_VERSION := 0.20.2
CARGO_DEB_VERSION := 3.8.0
# Where a rustup that was just installed puts cargo.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: help
help: ## Show what can be made
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

.PHONY: run
run: setup bundles ## Build and open the bundled sample study (without a display: save a screenshot)
	cargo build --release --locked -p lantern
	@if [ -n "$${DISPLAY:-}$${WAYLAND_DISPLAY:-}" ]; then \
		exec target/release/lantern $(SAMPLE); \
	else \
		echo "No display: drawing on a virtual one."; \
		$(MAKE) --no-print-directory screenshot-only; \
	fi

.PHONY: screenshot
screenshot: setup ## Take the README's screenshot from the real app
	cargo build --release --locked -p lantern
	@$(MAKE) --no-print-directory screenshot-only SCREENSHOT=docs/screenshot.png

.PHONY: screenshot-only
screenshot-only:
	@settings=$$(mktemp -d) && trap 'rm -rf "$$settings"' EXIT && \
	XDG_DATA_HOME="$$settings" XDG_CONFIG_HOME="$$settings" XDG_CACHE_HOME="$$settings" XDG_RUNTIME_DIR="$$settings" \
	xvfb-run -a -s "-screen 0 1600x1000x24 +extension GLX" \
		timeout 300 target/release/lantern --screenshot "$(SCREENSHOT)" --window-size 1600x1000 \
		--server-data "$$settings/server" $(SAMPLE)
	@echo "Screenshot: $$(realpath "$(SCREENSHOT)")"

.PHONY: test
test: setup cargo-deny clara-client ## Run everything that CI runs
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	REQUIRE_CLARA_CLIENT=$(REQUIRE_CLARA_CLIENT) cargo test --workspace --locked
	cargo test -p selftest --features faults --test faults --locked
	cargo deny --log-level error check licenses bans sources
	@if cargo deny --log-level off fetch db; then \
		cargo deny --log-level error check advisories; \
	else \
		echo "Advisories NOT checked: the advisory database cannot be reached from here."; \
	fi
	desktop-file-validate packaging/linux/lantern.desktop

.PHONY: test-cgroup2
test-cgroup2: setup ## Run the executor's tests under control groups of version 2, in a virtual machine (10 minutes)
	$(MAKE) --no-print-directory setup-system PACKAGES="qemu-system-x86 busybox-static attr cpio"
	tests/scenario/cgroup2.sh

# Seconds for each target, and which; they are listed in fuzz/README.md.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= dicom codestream derived nifti metaimage nrrd raster archive dicomdir

.PHONY: fuzz
fuzz: ## Fuzz every reader (FUZZ_SECONDS=60 each, FUZZ_TARGETS=...); needs nightly Rust and cargo-fuzz
	fuzz/seed.sh
	cd fuzz && cargo +nightly fuzz build
	cd fuzz && for target in $(FUZZ_TARGETS); do \
		nice -n 19 cargo +nightly fuzz run "$$target" -- -max_total_time=$(FUZZ_SECONDS) \
			-max_len=65536 -timeout=10 -rss_limit_mb=3000 -malloc_limit_mb=512; \
	done

# Readers that loading is timed beside, as in docs/performance.md.
PEERS := target/bench-peers
PEER_PACKAGES := SimpleITK==2.5.7 pydicom==3.0.2 nibabel==5.4.2 vtk==9.7.2 python-gdcm==3.2.6 numpy

.PHONY: bench-peers
bench-peers: setup ## Time loading beside SimpleITK, VTK, GDCM, pydicom, nibabel and dcm2niix
	$(MAKE) --no-print-directory setup-system PACKAGES="python3-venv dcm2niix"
	test -x $(PEERS)/venv/bin/python || python3 -m venv $(PEERS)/venv
	$(PEERS)/venv/bin/pip install --quiet --disable-pip-version-check $(PEER_PACKAGES)
	cargo build --release --locked -p lantern
	$(PEERS)/venv/bin/python docs/bench/load_peers.py --json $(PEERS)/load.json $(PEERS)/data target/release/lantern

# The published client of the platform's API, and the last release of protobuf that its generated code works with.
CLARA_CLIENT := target/clara-client
CLARA_CLIENT_PACKAGES := nvidia-clara-client==0.8.1.7 protobuf==3.20.3 grpcio==1.85.1
CLARA_CLIENT_STAMP := $(CLARA_CLIENT)/$(subst $(eval) ,_,$(CLARA_CLIENT_PACKAGES))
# CI sets this, so that tests with the published client cannot be skipped.
REQUIRE_CLARA_CLIENT ?= 0

.PHONY: clara-client
clara-client: $(CLARA_CLIENT_STAMP) ## Install the published Python client, for the tests that use it

# pip comes with python3-venv. Without it, or without the network, the tests with the client say that they are skipped.
$(CLARA_CLIENT_STAMP):
	@if python3 -c 'import venv, ensurepip' 2>/dev/null \
		&& python3 -m venv --clear $(CLARA_CLIENT) \
		&& $(CLARA_CLIENT)/bin/pip install --quiet --disable-pip-version-check $(CLARA_CLIENT_PACKAGES); then \
		touch $@; \
	else \
		rm -rf $(CLARA_CLIENT); \
		echo "nvidia-clara-client is not installed (it needs the package python3-venv and a Python package index);"; \
		echo "tests with it are skipped."; \
		test "$(REQUIRE_CLARA_CLIENT)" != 1; \
	fi

BUNDLES := target/bundles

.PHONY: bundles
bundles: setup-rust ## Build the operators as bundles in target/bundles, where a server of this build finds them
	cargo build --release --locked -p operators
	@for manifest in assets/bundles/*/operator.json; do \
		bundle=$(BUNDLES)/$$(basename "$$(dirname "$$manifest")"); \
		mkdir -p "$$bundle/bin"; \
		install -m 644 "$$manifest" "$$bundle/operator.json"; \
		install -m 755 target/release/run_operator "$$bundle/bin/run_operator"; \
		echo "Bundle: $$bundle"; \
	done

.PHONY: deb
deb: setup bundles ## Build the Debian package
	cargo build --release --locked -p platform-server --bins
	@cargo deb --version >/dev/null 2>&1 || cargo install --locked --debug cargo-deb@$(CARGO_DEB_VERSION)
	cargo deb --locked -p lantern

.PHONY: cargo-deny
cargo-deny:
	@cargo deny --version >/dev/null 2>&1 || cargo install --locked --debug cargo-deny@$(CARGO_DENY_VERSION)

.PHONY: setup
setup: setup-system setup-rust

.PHONY: setup-system
setup-system:
	@missing=""; \
	if command -v dpkg-query >/dev/null; then \
		for package in $(PACKAGES); do \
			dpkg-query -W -f='$${Status}' "$$package" 2>/dev/null | grep -q "ok installed" || missing="$$missing $$package"; \
		done; \
	else \
		echo "This is not a Debian or Ubuntu system; install the counterparts of: $(PACKAGES)"; \
	fi; \
	if [ -n "$$missing" ]; then \
		echo "Installing:$$missing"; \
		sudo=""; [ "$$(id -u)" -eq 0 ] || sudo="sudo"; \
		$$sudo apt-get update -qq; \
		if [[ " $$missing " == *" postgresql "* && ! -e $(CREATECLUSTER) ]]; then \
			$$sudo install -d $(dir $(CREATECLUSTER)); \
			echo "create_main_cluster = false" | $$sudo tee $(CREATECLUSTER) >/dev/null; \
		fi; \
		$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
	fi

.PHONY: setup-rust
setup-rust:
	@if ! command -v cargo >/dev/null; then \
		if apt-cache show rustup >/dev/null 2>&1; then \
			sudo=""; [ "$$(id -u)" -eq 0 ] || sudo="sudo"; \
			$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq rustup; \
			rustup toolchain install; \
		else \
			echo "Rust is missing and this system has no rustup package."; \
			echo "Install it as https://rustup.rs describes, then run make again."; \
			exit 1; \
		fi; \
	fi
