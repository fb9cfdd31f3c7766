# The commands of this project. Each sets up all it needs: only Python 3.11+ and make must be there
# (for `make test` also Java 17+ and Maven). A second run finds everything in place.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
UV := .tools/bin/uv
# uv takes the Python that is there, never one from elsewhere.
export UV_PYTHON_DOWNLOADS := never

.PHONY: help demo test fast faults load check format docs constraints java

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1	/'

demo: .venv/.ready ## judge a firehose with vLLM on the CPU; DEMO='--events 20 --json' for options
	@$(BIN)/stream-guard demo $(DEMO)

test: .venv/.ready java ## all tests, real Kafka and real engine included; PYTEST='-k ledger' for options
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(PYTEST)

fast: .venv/.ready ## four minutes: the tests that need no Kafka, registry, engine, Kubernetes nor image
	@CI= $(BIN)/python -m pytest -n 2 -m 'not registry and not kafka and not vllm and not kubernetes and not image and not node and not chaos' $(PYTEST)

faults: .venv/.ready java ## the slowest tests, then 100,000 records under kills: 15 minutes; FAULTS='--records 5000' for options
	@$(BIN)/python -m pytest -m chaos $(PYTEST)
	@$(BIN)/python -m tests.faults $(FAULTS)

load: .venv/.ready java ## measure the pipeline beside the bare engine and a hand-written loop: 7 minutes
	@$(BIN)/python -m loadtest.pipeline $(LOAD)

check: .venv/.ready ## lint, format, types, layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: .venv/.ready ## format the code and fix what can be fixed
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: .venv/.ready ## make the generated pages of docs/ anew
	@$(BIN)/python -m stream_guard.telemetry.reference > docs/telemetry.md
	@$(BIN)/python -m tests.chart.generate

constraints: .tools/.ready ## pin all versions anew; UPGRADE=--upgrade for the newest
	@$(UV) pip compile pyproject.toml --extra cpu --extra dev --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --quiet $(UPGRADE) -o constraints.txt
	@! grep -nE '://|^-' constraints.txt || { echo 'constraints.txt must hold no address and no option' >&2; exit 1; }
	@$(MAKE) .venv/.ready && $(BIN)/python -m image.closure

java:
	@command -v mvn >/dev/null && command -v java >/dev/null || { \
		echo 'make test starts a real Apache Kafka: it needs Java 17 or newer and Maven (java and mvn on the PATH).' >&2; exit 1; }
	@version=$$(java -version 2>&1 | sed -nE 's/.* version "([0-9]+).*/\1/p' | head -n 1); \
		[ "$${version:-0}" -ge 17 ] || { echo "make test needs Java 17 or newer; this is Java $${version:-unknown}." >&2; exit 1; }

# uv, at the version and hash that constraints.txt pins.
.tools/.ready: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'stream_guard needs Python 3.11 or newer: make PYTHON=python3.11 ...' >&2; exit 1; }
	@echo 'Setting up uv in .tools'
	@$(PYTHON) -m venv .tools
	@sed -n '/^uv==/,/[^\\]$$/p' constraints.txt > .tools/uv.txt
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .tools/uv.txt
	@touch $@

# Exactly what constraints.txt pins, then this project itself, editable, built by the pinned hatchling.
.venv/.ready: .tools/.ready constraints.txt pyproject.toml
	@echo 'Setting up the environment in .venv (5 GB; minutes the first time, seconds from a warm cache)'
	@$(UV) venv --quiet --allow-existing --python .tools/bin/python .venv
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode constraints.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
