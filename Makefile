# Carevouch. `make` alone prints the verbs. Each verb sets up what it needs, inside .venv and nowhere else.

PYTHON ?= python3
PORT ?= 4566
# One more than the cores of CI: a worker that waits for a local cloud leaves its core to another.
WORKERS ?= 3
SOAK ?= 20
BIN := .venv/bin
RUN := $(BIN)/python
SAM := SAM_CLI_TELEMETRY=0 .venv/sam/bin/sam
export PORT DATA
# A container may forbid bytecode; hundreds of short processes would then compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run demo stop test known-tests check vectors bench soak interop package deploy clean
# Recipes share .venv, build and .carevouch; the work is parallel inside them where it pays.
.NOTPARALLEL:

help:
	@echo "make run       start Carevouch on this machine, play the story on patient records, leave it running"
	@echo "               (DATA=folder of FHIR R4 Bundles, PORT=$(PORT))"
	@echo "make demo      the same story on a cloud of its own, then stop it: exit status 0 if all held"
	@echo "make stop      stop what make run left running; its state is kept"
	@echo "make test      every test that a newcomer needs; T=claims runs one domain's"
	@echo "make check     what CI checks before the tests: style, types, architecture, template, vectors"
	@echo "make vectors   write again what is generated: test vectors, routes in the template (git diff must stay empty)"
	@echo "make bench     measure: imports, request times, AWS calls and units per kind of request"
	@echo "make soak      the tests that repeat for depth; SOAK=$(SOAK) times the examples of property tests"
	@echo "make interop   other people's clients, in Go and JavaScript, on our logs (needs go, node and npm)"
	@echo "make package   build the zips for AWS Lambda (arm64) in build/aws"
	@echo "make deploy    deploy to AWS: says what it needs, creates and costs, and asks (YES=1 agrees)"
	@echo "make clean     stop the local cloud, remove its state and the zips"

run: .venv/.ready
	@$(RUN) -m infra.story run

demo: .venv/.ready
	@$(RUN) -m infra.story demo

stop: .venv/.ready
	@$(RUN) -m infra.local stop

# `make test T=claims` runs the tests of that word on every floor: folders of the name, and files that begin with it.
TESTS = $(if $(T),$(wildcard tests/$(T) tests/*/$(T) tests/*/test_$(T).py tests/*/test_$(T)_*.py))
NAMES = $(sort $(notdir $(patsubst %/,%,$(wildcard tests/unit/*/ tests/service/*/))) $(patsubst tests/%/,%,$(wildcard tests/*/)))

# Before the set-up, so that a misspelt name costs no minute.
known-tests:
	@test -z "$(T)" -o -n "$(TESTS)" || { echo "carevouch: there are no tests named $(T); T is one of $(NAMES)." >&2; exit 2; }

test: known-tests .venv/.ready
	$(BIN)/pytest -n $(WORKERS) --dist worksteal $(TESTS)

check: .venv/.ready .venv/sam/.ready
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cfn-lint template.yaml
	AWS_DEFAULT_REGION=eu-central-1 $(SAM) validate --lint --template template.yaml
	$(RUN) -m infra.routes check
	$(RUN) -m tests.structure
	$(MAKE) --no-print-directory vectors
	git diff --exit-code -- tests/vectors template.yaml

vectors: .venv/.ready
	$(RUN) -m tests.vectors.generate
	$(RUN) -m infra.routes write

bench: .venv/.ready
	$(RUN) -m tests.bench

soak: .venv/.ready
	CAREVOUCH_SOAK=$(SOAK) $(BIN)/pytest -n $(WORKERS) --dist worksteal

interop: .venv/.ready .venv/interop/.ready
	$(BIN)/pytest -m interop tests/interop

package: .venv/.ready
	@$(RUN) -m infra.package --for aws

deploy: .venv/.ready .venv/sam/.ready
	@$(RUN) -m infra.deploy

# Without the set-up there is nothing that could run.
clean:
	@if [ -e .venv/.ready ]; then $(RUN) -m infra.local clean; fi
	rm -rf .carevouch build

.venv/.ready: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "carevouch: $(PYTHON) is missing: install Python 3.11 or later, or name one, as in make PYTHON=python3.12." >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "carevouch: $$($(PYTHON) --version 2>&1) is too old: install 3.11 or later, or name one, as in make PYTHON=python3.12." >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "carevouch: this Python cannot make virtual environments: install its venv package (Debian, Ubuntu: apt install python3-venv)." >&2; exit 2; }
	@echo "setting up .venv (once; about a minute)"
	@test -x $(RUN) || $(PYTHON) -m venv .venv
	@sed -n '/^uv==/,/^ *# via/p' requirements.lock > .venv/uv.lock
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement .venv/uv.lock
	@$(BIN)/uv pip install --quiet --python $(RUN) --require-hashes --requirement requirements.lock
	@$(BIN)/uv pip install --quiet --python $(RUN) --no-deps --no-build-isolation --editable .
	@touch $@

# What the clients are built from is pinned by go.sum, package-lock.json and a lock of hashes; nothing of it goes into a zip.
INTEROP := tests/interop
INTEROP_PINS := $(wildcard $(INTEROP)/go/go.* $(INTEROP)/go/main.go $(INTEROP)/*/package*.json $(INTEROP)/python/requirements.lock)
.venv/interop/.ready: .venv/.ready $(INTEROP_PINS)
	@for tool in go node npm; do command -v $$tool >/dev/null || { echo "carevouch: $$tool is missing: make interop drives clients in Go and JavaScript (Debian: apt install golang-go nodejs npm)." >&2; exit 2; }; done
	@echo "setting up other people's clients (once)"
	@mkdir -p .venv/interop
	@cd $(INTEROP)/go && GOPATH=$(CURDIR)/.venv/interop/go CGO_ENABLED=0 go build -modcacherw -buildvcs=false -o $(CURDIR)/.venv/interop/drive .
	@for kind in node typescript; do mkdir -p .venv/interop/$$kind && cp $(INTEROP)/$$kind/package.json $(INTEROP)/$$kind/package-lock.json $(INTEROP)/$$kind/.npmrc .venv/interop/$$kind && (cd .venv/interop/$$kind && npm ci --silent --no-progress) || exit 1; done
	@test -x .venv/interop/python/bin/python || $(RUN) -m venv .venv/interop/python
	@$(BIN)/uv pip install --quiet --python .venv/interop/python/bin/python --require-hashes --requirement $(INTEROP)/python/requirements.lock
	@touch $@

# The SAM command line pins libraries that ours need newer, so it lives apart.
.venv/sam/.ready: .venv/.ready infra/sam.lock
	@echo "setting up the SAM command line (once)"
	@test -x .venv/sam/bin/python || $(RUN) -m venv .venv/sam
	@$(BIN)/uv pip install --quiet --python .venv/sam/bin/python --require-hashes --requirement infra/sam.lock
	@touch $@
