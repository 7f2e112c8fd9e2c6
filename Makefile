# Every target works from a fresh clone: it first builds .venv when that is missing or older than the lock.
# Needed: Python 3.13, make and a package index. uv is taken from the PATH, or fetched by hash into .uv/.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

ROOT    := $(CURDIR)
VENV    := $(ROOT)/.venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
UV      := $(or $(shell command -v uv 2>/dev/null),$(ROOT)/.uv/bin/uv)
WORKERS ?= 2
PEERS   := $(ROOT)/.peers

export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS     ?= true
export VIRTUAL_ENV         := $(VENV)
export PATH                := $(BIN):$(PATH)
export DAGSTER_DISABLE_TELEMETRY := yes
demo ui: export DAGSTER_HOME := $(ROOT)

.PHONY: help install demo test test-long check check-data bench peers networks ui lock clean

help:  ## what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: $(STAMP)  ## build .venv from requirements.lock

$(STAMP): requirements.lock pyproject.toml | $(UV)
	@test -x $(BIN)/python || $(UV) venv --quiet --python 3.13 $(VENV)
	$(UV) pip sync --quiet --require-hashes requirements.lock
	$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# The first of these that is Python 3.13 makes the folder uv lives in.
$(ROOT)/.uv/bin/uv: requirements-uv.lock
	@for python in python3.13 python3 python; do \
	  $$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null && break; \
	done || { echo 'Python 3.13 was not found: install it, or put it on the PATH, and run make again.' >&2; exit 1; }; \
	$$python -m venv $(ROOT)/.uv
	$(ROOT)/.uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-uv.lock
	@touch $@

demo: $(STAMP)  ## the demo lane through Dagster: simulated data to a verdict and a replayed paper session
	$(BIN)/python -m pipelines.demo

# Compiled kernels hide their lines from coverage, so the tests marked `kernel` run a second time as plain Python.
test: $(STAMP)  ## the test-suite, with coverage
	NUMBA_DISABLE_JIT=1 $(BIN)/pytest -q -m 'kernel and not long' -n $(WORKERS) --dist loadgroup --cov --cov-report= --cov-fail-under=0
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup --cov --cov-append --cov-report=term:skip-covered

test-long: $(STAMP)  ## the slow tests: many seeds, the whole lane
	$(BIN)/pytest -m long -n $(WORKERS) --dist loadgroup

check: $(STAMP)  ## style, types, the floors of the house, Dagster's definitions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/dg check defs

check-data: $(STAMP)  ## data-quality rules on the lanes that have bars in the lake
	$(BIN)/python -m pipelines.check_data

bench: $(STAMP)  ## the benchmarks and their peers
	@for name in features learn simulate grid decide import ticks; do echo "== $$name"; $(BIN)/scalper bench $$name || exit $$?; done

# vectorbt and backtesting.py stay apart: their licences and pins are not ours (see bench/simulate_peers.py).
peers: $(PEERS)/.installed  ## build .peers, other people's backtesters that `scalper bench simulate` is compared with

# It leaves .venv as it is: a sync there would take away what somebody added to it.
$(PEERS)/.installed: requirements-peers.lock | $(UV)
	@test -x $(PEERS)/bin/python || $(UV) venv --quiet --python 3.13 $(PEERS)
	VIRTUAL_ENV=$(PEERS) $(UV) pip sync --quiet --require-hashes requirements-peers.lock
	@touch $@

# Apart, for its wheel does not load without 2.3 GB of CUDA libraries. Whatever builds .venv anew takes torch away.
networks: $(VENV)/.networks  ## add torch to .venv (3.7 GB), for the estimators feedforward and lstm

$(VENV)/.networks: requirements-networks.lock $(STAMP) | $(UV)
	$(UV) pip install --quiet --no-deps --require-hashes --requirement requirements-networks.lock
	@touch $@

# Both listen on loopback only; Ctrl-C ends both.
ui: $(STAMP)  ## Dagster on http://127.0.0.1:3000, MLflow on http://127.0.0.1:5000
	@mlruns=$$($(BIN)/python -c 'from scalper.settings import home; print(home().mlruns)'); mkdir -p "$$mlruns"; \
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server --host 127.0.0.1 --port 5000 --workers 1 \
	  --backend-store-uri "sqlite:///$$mlruns/mlflow.db" --artifacts-destination "$$mlruns/artifacts" & \
	trap "kill $$! 2>/dev/null" EXIT INT TERM; \
	$(BIN)/dg dev --host 127.0.0.1 --port 3000

lock: | $(UV)  ## resolve pyproject.toml anew into requirements.lock, peers and networks into theirs
	$(UV) pip compile --quiet pyproject.toml --extra dev --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --python-version 3.13 --output-file requirements.lock
	printf 'vectorbt[rust]==1.2.0\nbacktesting==0.6.6\n' | $(UV) pip compile --quiet - --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --python-version 3.13 --output-file requirements-peers.lock
	printf 'torch==2.15.0\n' | $(UV) pip compile --quiet - --generate-hashes --constraints requirements.lock \
	  --no-emit-index-url --no-annotate --no-header --python-version 3.13 --output-file requirements-networks.lock

clean:  ## remove .venv, .peers, .uv and caches; the lake, mlruns and state stay
	rm -rf .venv .peers .uv .cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* dist
	find scalper pipelines assets resources tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
