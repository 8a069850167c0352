# make demo    places calls through the bridge with the two simulators, and prints what each party heard
# make test    every test, those against a real Asterisk and real WebRTC peers included
# make lint    formatting, lints, licences of the dependencies
# make fuzz    SECONDS=20 of each fuzz target
# make bench   100 calls through the real binary, and through rtpengine beside it: processor time a call, delay, loss
#
# Each target installs what it misses (Debian and Ubuntu; elsewhere it names what to install) and then does its one job.

comma := ,
SECONDS ?= 20
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
ROOT = $(if $(SUDO),$(SUDO) --preserve-env=PATH$(comma)HOME$(comma)CARGO_HOME$(comma)RUSTUP_HOME$(comma)CARGO_TARGET_DIR)
APT = $(SUDO) apt-get -o DPkg::Lock::Timeout=600 -qq

# $(call need,PROGRAM,PACKAGE)
need = command -v $(1) >/dev/null || $(call install,$(2))
install = { echo "installing $(1)"; $(APT) update; \
          DEBIAN_FRONTEND=noninteractive $(APT) install -y --no-install-recommends $(1) >/dev/null; } || \
          { echo "please install $(1)"; exit 1; }

.PHONY: demo test lint fuzz bench build-tools test-tools

demo: build-tools
	cargo run --release --quiet -- demo

test: test-tools
	cargo test
	$(ROOT) tests/lab/run.sh cargo test --offline --test asterisk -- --test-threads=1
	$(ROOT) tests/lab/webrtc.sh cargo test --offline --test webrtc -- --test-threads=1

lint: build-tools
	cargo fmt --check
	cargo clippy --all-targets --quiet -- -D warnings
	@command -v cargo-deny >/dev/null || cargo install --quiet --locked cargo-deny
	cargo deny --log-level error check licenses bans sources

fuzz: build-tools
	tests/fuzz/run.sh $(SECONDS)

bench: build-tools
	$(SUDO) tests/lab/install.sh
	$(SUDO) $(shell command -v cargo) bench --bench calls -- --calls 100 --seconds 60 --beside-rtpengine

build-tools:
	@$(call need,cc,gcc libc6-dev)
	@$(call need,cmake,cmake)
	@$(call need,pkg-config,pkg-config libssl-dev)
	@pkg-config --exists openssl || $(call install,libssl-dev)

test-tools: build-tools
	@$(call need,openssl,openssl)
	@$(call need,ip,iproute2)
