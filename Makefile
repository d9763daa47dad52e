# One word for each thing that people do here. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
GUI := controlplane/web/gui
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
# How the programs of long runs are built: optimised, without the minutes that link-time optimisation takes.
BUILT ?= integration
INTEGRATION = $(TARGET)/$(BUILT)
PROGRAMS := -p tandem-dataplane -p tandem-controlplane -p tandem-loadtest -p tandem-tune
# How long the demo of `make demo` runs, and each target of `make fuzz`; empty: until Ctrl-C, or a minute. Example: make demo FOR=30s
FOR ?=
# Node, when setup/install had to bring it.
export PATH := $(CURDIR)/.tools/bin:$(PATH):/usr/sbin:/sbin
# Properties are tried on the same cases in each run; another number draws others.
export PROPTEST_RNG_SEED ?= 7
# A registry that does not answer for a moment is asked again.
export CARGO_NET_RETRY ?= 10

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-16s %s\n", $$1, $$2 }'

.PHONY: setup
setup: ## install what is missing for building and testing
	setup/install --test

# The pages are built again only when a source changed: what embeds them would be built again too.
PAGES := $(GUI)/node_modules/.pages-built
PAGES_SOURCES := $(shell find $(GUI) controlplane/web/openapi.json -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/test-results/*' 2>/dev/null)
ifeq ($(wildcard $(GUI)/dist/assets),)
.PHONY: $(PAGES)
endif

.PHONY: gui
gui: $(PAGES) ## build the pages into controlplane/web/gui/dist

$(PAGES): $(PAGES_SOURCES)
	setup/install --demo
	cd $(GUI) && npm run build
	setup/offline $(GUI)/dist
	touch $@

.PHONY: build
build: gui ## build all programs, release
	$(CARGO) build --release $(PROGRAMS) -p tandem-keeper

.PHONY: demo
demo: build ## a whole switch with calls on 127.0.0.1; Ctrl-C ends it (FOR=30s: ends by itself)
	$(TARGET)/release/tandem demo $(if $(FOR),--for $(FOR))

.PHONY: lint
lint: ## format, clippy, the rules of the house
	$(CARGO) fmt --all --check
	$(CARGO) clippy --profile ci --workspace --all-targets -- -D warnings
	$(CARGO) test --profile ci -p tidy

.PHONY: quick
quick: ## what to run before each commit: format, the rules of the house, pure crates
	$(CARGO) fmt --all --check
	$(CARGO) test -p tidy -p units -p cdr -p snapshot -p rating -p panel -p sip -p sdp -p media -p tape -p balance -p call -p shard -p ledger

.PHONY: test
test: ## everything that CI runs, servers and browser included
	setup/install --test
	$(CARGO) fmt --all --check
	$(LINTED) test --profile ci -p tidy
	$(MAKE) --no-print-directory test-gui
	$(MAKE) --no-print-directory test-unit
	$(MAKE) --no-print-directory ratchet TOLERANCE=10
	$(MAKE) --no-print-directory test-integration
	$(MAKE) --no-print-directory test-browser

# What is built for tests is linted on the way, as `make lint` would: a check of its own reads every foreign crate once more, eight minutes.
LINTED := env CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__ RUSTC_WORKSPACE_WRAPPER=clippy-driver $(CARGO)
# Always the whole workspace, so that each crate is built once: what is chosen decides the features of foreign crates.
CI_TEST := $(LINTED) test --profile ci --workspace --exclude tidy --no-fail-fast
# Databases and files of these tests are made in memory where there is room: none of them is about a disk, and a slow one takes four times as long.
IN_MEMORY := $(shell [ "$$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)" -gt 4000000 ] 2>/dev/null && echo TMPDIR=/dev/shm)
ACCEPTANCE := $(basename $(notdir $(wildcard loadtest/acceptance/tests/*.rs)))

.PHONY: test-unit
test-unit: ci-programs ## tests of every crate, simulator's seeds included
	$(IN_MEMORY) $(CI_TEST) --exclude acceptance
	$(MAKE) --no-print-directory mutants

.PHONY: mutants
mutants: ## deliberate mistakes about money, limits and who is primary: the simulators must notice each of them
	$(CI_TEST) --features sim/mutants,cluster/mutants --test mutants -- --nocapture

.PHONY: ci-programs
ci-programs: gui
	$(CI_TEST) --no-run
	$(CI_TEST) --no-run --benches

.PHONY: oracle
oracle: ## a million random calls by an independent calculator of routes and prices: no difference may be left
	$(CARGO) test --release -p rating --test an_independent_calculator_agrees -- --include-ignored --nocapture

.PHONY: test-gui
test-gui: gui ## types and unit tests of the pages
	cd $(GUI) && npm test

.PHONY: integration-programs
integration-programs:
	setup/install --test
	$(CARGO) build --profile $(BUILT) $(PROGRAMS)

.PHONY: test-integration
test-integration: ci-programs ## foreign SIP programs through real servers, on SQLite and on MariaDB
	$(IN_MEMORY) TANDEM_BIN_DIR=$(TARGET)/ci $(CI_TEST) $(ACCEPTANCE:%=--test %) -- --test-threads=1
	$(IN_MEMORY) BUSY_S=60 TANDEM_BIN_DIR=$(TARGET)/ci $(CI_TEST) --test a_core_dies_behind_a_balancer -- --ignored
	$(MAKE) --no-print-directory test-many

# Five million records and what sorts their indexes are 10 GB: in memory where that is free, on the disk otherwise.
MANY_IN_MEMORY = $(shell [ "$$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)" -gt 12000000 ] 2>/dev/null && \
  [ "$$(awk '/^MemAvailable/ { print $$2 }' /proc/meminfo)" -gt 14000000 ] && echo TMPDIR=/dev/shm)
MANY_MARIADB = --innodb-buffer-pool-size=1G --innodb-log-file-size=1G --innodb-sort-buffer-size=32M --innodb-flush-log-at-trx-commit=0 \
  --skip-innodb-doublewrite --innodb-fast-shutdown=2
.PHONY: test-many
test-many: ## five million CDRs on MariaDB, 3,333,333 of them in a day: each kind of search finds what is there and reads little
	$(MANY_IN_MEMORY) MARIADB_ARGUMENTS="$(MANY_MARIADB)" $(CI_TEST) --test five_million_records_are_searched -- --ignored --nocapture

.PHONY: kills
kills: integration-programs ## kill -9 of planes and database at random moments, 100 rounds at 200 calls a second (SEED=7 repeats the moments)
	KILL_SEED=$(or $(SEED),$$RANDOM) KILL_ROUNDS=$(or $(ROUNDS),100) TANDEM_BIN_DIR=$(INTEGRATION) $(CI_TEST) --test killed_at_any_moment_nothing_is_lost -- --nocapture

.PHONY: frozen
frozen: ## a callee that stands still for 5 s at 500 calls a second: all 7,000 planned calls are accounted for
	FROZEN_CPS=500 $(CI_TEST) --test both_ends -- stands_still --nocapture

.PHONY: cluster-test
cluster-test: ## databases and addresses with keepers and etcd on hosts of their own: kills, freezes, cables pulled (as root)
	CLUSTER_TIMED=1 $(CI_TEST) --test cables_are_pulled_for_real -- --include-ignored --nocapture --test-threads=1

.PHONY: tune-machine
tune-machine: integration-programs ## tandem-tune sets, verifies and puts back a whole machine of its own: Debian's kernel and three cards in an emulator
	setup/install --machine
	TANDEM_BIN_DIR=$(INTEGRATION) tuning/machine

.PHONY: fast-path-machine
fast-path-machine: ## the fast path's tests on a machine of its own: Debian's kernel with VLANs, virtual cables, and XDP in the driver of virtio cards
	setup/install --machine
	CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$(CURDIR)/dataplane/fastpath/machine $(CARGO) test --profile $(BUILT) -p fastpath --test flows_in_the_kernel

.PHONY: systemd-units
systemd-units: integration-programs ## our units under a real systemd: started, killed seven times each, ended in order (as root)
	$(CARGO) build --profile $(BUILT) -p tandem-keeper
	TANDEM_BIN_DIR=$(INTEGRATION) setup/under-systemd

.PHONY: topologies
topologies: ## each topology of several hosts with calls through it while something breaks; writes docs/topologies.md (as root; ONLY=balanced)
	-setup/install --topologies
	$(CARGO) build --profile $(BUILT) $(PROGRAMS) -p tandem-keeper -p plant --bins --example next-controlplane
	TANDEM_BIN_DIR=$(INTEGRATION) $(INTEGRATION)/plant $(or $(ONLY),--page docs/topologies.md)

.PHONY: test-s3
test-s3: ## recordings to a foreign S3 server and back (moto, installed from PyPI into an environment of its own)
	CARGO="$(LINTED)" controlplane/files/test-s3

.PHONY: test-ssh
test-ssh: ## recordings to a peer by rsync, and agents of the load test, over ssh (sshd of Debian's openssh-server, on a private port)
	setup/install --ssh
	$(CI_TEST) --test copies --test two_agents_play_one_plan -- --ignored

.PHONY: test-search
test-search: ## CDRs to a foreign search engine and found there (osmem-server, installed from PyPI into an environment of its own)
	CARGO="$(LINTED)" controlplane/search/test-search

.PHONY: outage
outage: integration-programs ## ten real minutes without the database under load (AWAY_S=1200 for more seconds)
	AWAY_S=$(or $(AWAY_S),600) TANDEM_BIN_DIR=$(INTEGRATION) $(CI_TEST) --test calls_go_on_without_the_database -- --nocapture

# The server as store/README.md recommends it: pages and log for what comes in, every commit on the disk.
HOUR_MARIADB = --innodb-buffer-pool-size=1G --innodb-log-file-size=1G --sync-binlog=1 --binlog-row-image=MINIMAL --binlog-annotate-row-events=OFF
.PHONY: hour
hour: ## the journal of an hour without the database handed back to both databases (HOUR_CPS=100)
	MARIADB_ARGUMENTS="$(HOUR_MARIADB)" $(CARGO) test --profile integration -p tandem-controlplane --test an_hour -- --ignored --nocapture --test-threads=1

.PHONY: test-browser
test-browser: ci-programs ## the pages in a real browser against a running switch
	$(IN_MEMORY) TANDEM_BIN_DIR=$(TARGET)/ci setup/browser

# Coverage for libFuzzer on the stable compiler; a folder of its own, since everything is built with it.
FUZZ_FLAGS := --cfg fuzzing -Cdebug-assertions -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
 -Cllvm-args=-sanitizer-coverage-trace-compares
comma := ,
FUZZ_BUILD := $(TARGET)/fuzz-build
# Rate decks bring the whole control plane, so they are asked for by name: make fuzz ONLY=decks
FUZZ_MORE := $(if $(filter decks,$(ONLY)),$(comma)decks)
FUZZ_SECONDS := $(patsubst %s,%,$(or $(FOR),60s))

.PHONY: fuzz
fuzz: ## libFuzzer on every target or one (FOR=600s, ONLY=message); findings stay in target/fuzz
	RUSTFLAGS="$(FUZZ_FLAGS)" CARGO_TARGET_DIR=$(FUZZ_BUILD) $(CARGO) build --profile integration -p fuzz --bin fuzz-coverage --features libfuzzer$(FUZZ_MORE) --target $$(rustc -vV | sed -n 's/host: //p')
	$(CARGO) build -p fuzz --bin fuzz-seeds $(if $(FUZZ_MORE),--features decks)
	for name in $(or $(ONLY),$$($(TARGET)/debug/fuzz-seeds)); do \
	  $(TARGET)/debug/fuzz-seeds $$name $(TARGET)/fuzz/$$name && \
	  TANDEM_FUZZ=$$name $(FUZZ_BUILD)/*/integration/fuzz-coverage -max_total_time=$(FUZZ_SECONDS) -max_len=16384 -timeout=20 \
	    -print_final_stats=1 -artifact_prefix=$(TARGET)/fuzz/$$name/broken- $(TARGET)/fuzz/$$name; \
	done

# What every benchmark says goes here; a line that begins with `result` is a row of the table.
BENCH_LOG := $(TARGET)/bench.log
BENCH_TABLE := $(CARGO) run -q --release -p benches --bin bench-table --
# Goals of whole programs, each a target of its own; what cannot run here (without root) or misses its goal is a row all the same.
GOALS := bench-kamailio bench-calls bench-memory capacity capacity-proof bench-loadtest bench-loadtest-media

.PHONY: bench
bench: ## every benchmark against its yardstick and every goal of whole programs, then one table; results in target/bench.json
	setup/install --bench
	mkdir -p $(TARGET)
	$(CARGO) bench -p benches --no-fail-fast 2>&1 | tee $(BENCH_LOG)
	$(CARGO) run --release -p rating --example what_if 2>&1 | tee -a $(BENCH_LOG)
	for goal in $(GOALS); do $(MAKE) --no-print-directory BUILT=release $$goal 2>&1 | tee -a $(BENCH_LOG) || true; done
	$(BENCH_TABLE) $(BENCH_LOG) --json $(TARGET)/bench.json

.PHONY: bench-table
bench-table: ## the table of the last `make bench` again
	$(BENCH_TABLE) $(TARGET)/bench.json

.PHONY: bench-page
bench-page: ## write docs/benchmarks.md from the last `make bench`
	$(BENCH_TABLE) $(TARGET)/bench.json --page docs/benchmarks.md

.PHONY: ratchet
ratchet: ## instructions of pure code by callgrind against those kept; fails when 2 % worse (ACCEPT=1 keeps what is)
	$(CARGO) build -q --profile integration -p ratchet
	$(TARGET)/integration/ratchet benches/ratchet.txt $(if $(ACCEPT),--accept) $(if $(TOLERANCE),--tolerance $(TOLERANCE))

.PHONY: bench-swaps
bench-swaps: ## a million rates published under calls, then ten thousand swaps that must leave nothing behind
	SWAPS=10000 $(CARGO) bench -p benches --bench live_swap

# Records of `make bench-search`, which stay in BENCH_SEARCH for the next run; a hundred million need about 140 GB.
ROWS ?= 5000000
BENCH_SEARCH ?= $(TARGET)/bench-search
.PHONY: bench-search
bench-search: ## p50 and p95 of every kind of search over ROWS records on a private MariaDB (ROWS=100000000)
	controlplane/store/examples/bench-search $(ROWS) $(BENCH_SEARCH)

.PHONY: bench-insert
bench-insert: ## rows a second that CDRs come in with beside a semi-sync replica, and the ratio to a bare INSERT loop
	controlplane/store/examples/bench-insert

.PHONY: bench-loadtest
bench-loadtest: integration-programs ## calls per second of CPU that the load test plays, against SIPp's: goal twice (RATES="4000 8000" ROUNDS=3; GATHER=1ms as SIPp gathers)
	TANDEM_BIN_DIR=$(INTEGRATION) loadtest/bench-ceiling

# Rounds, and seconds that each relay is measured for at each rate.
MEDIA_ROUNDS ?= 3
MEDIA_SECONDS ?= 3
.PHONY: bench-media
bench-media: ## our relays against a bare loop, tokio and rtpengine at 10k, 50k and 100k packets a second (root)
	setup/install --bench
	$(CARGO) bench -p benches --bench media -- $(MEDIA_ROUNDS) $(MEDIA_SECONDS)

.PHONY: media-minute
media-minute: integration-programs ## 1,000 calls with media for a minute through a whole switch: no packet lost, CDRs agree (root; CALLS=400 TALK=10)
	TANDEM_BIN_DIR=$(INTEGRATION) loadtest/media-minute

.PHONY: capacity-proof
capacity-proof: integration-programs ## 10,000 calls with G.711 at 1,000 a second through a whole switch, media by the kernel: who used which core (root; CALLS=2000 CPS=500 HOLD=10)
	TANDEM_BIN_DIR=$(INTEGRATION) loadtest/capacity-proof

.PHONY: bench-loadtest-media
bench-loadtest-media: integration-programs ## 10,000 calls of the load test without media, with a sample and with all of it, in a network namespace (CALLS=10000)
	TANDEM_BIN_DIR=$(INTEGRATION) loadtest/bench-media

.PHONY: capacity
capacity: integration-programs ## a whole switch here: its books, its highest rate, five times that with its two goals (HOLD=3s ROUNDS=3 CPS_MAX=800)
	TANDEM_BIN_DIR=$(INTEGRATION) loadtest/capacity

# What others ship is built for release, so is ours beside them.
bench-calls bench-kamailio: BUILT = release

.PHONY: bench-calls
bench-calls: integration-programs ## what a call costs the data plane: 100 us at 2,000 a second, 10,000 calls for a second of CPU (RATES="2000 4000" ROUNDS=3)
	TANDEM_BIN_DIR=$(INTEGRATION) benches/calls

.PHONY: bench-memory
bench-memory: integration-programs ## what a call with media takes of the whole data plane's memory: 16 KiB (root; FEW=1000 MANY=3000 ROUNDS=1)
	TANDEM_BIN_DIR=$(INTEGRATION) benches/memory

.PHONY: bench-kamailio
bench-kamailio: integration-programs ## CPU per call against Kamailio doing the same work, at 400 and at 2,000 calls a second
	TANDEM_BIN_DIR=$(INTEGRATION) benches/kamailio/run
