# Everything a person or CI runs. `make help` lists the targets.
PYTHON ?= python3
BIN := .venv/bin
RUNS ?= 300
MINUTES ?= 30
SEED ?= 1
EVERY ?= 4
LINES ?= 2000
CONCURRENCY ?= 50

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types unit system browser ui-shots soak soak-batch soak-upgrade histories bench lock audit schema typescript clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/installed ## Create .venv and install the hash-pinned lock, for all targets

.venv/installed: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with: make install PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## Server, emulator and worker on this machine; two videos from request to file
	$(BIN)/manxue demo

test: export PYTHONDONTWRITEBYTECODE = # where it is set, each of hundreds of processes compiles the code anew
test: install ## Everything the project tests: lint, types, unit, workflow and system tests
	@$(MAKE) --no-print-directory --jobs 2 --output-sync lint types browser typescript
	$(BIN)/pytest -n 6 --maxschedchunk 2 # most system tests wait most of the time

lint: install ## Ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install ## mypy, strict
	$(BIN)/mypy
	$(BIN)/mypy tests
	$(BIN)/mypy examples/python

unit: install ## Only the tests that need no server
	$(BIN)/pytest tests/unit

system: install browser typescript ## Only the tests against the real Temporal server and the emulator
	$(BIN)/pytest tests/workflow tests/system

browser: install ## A Chromium for the tests, below .venv, where the machine has none
	@$(BIN)/python -m tests.support.install_browser

typescript: install ## Node.js and the npm packages of examples/typescript, below .venv
	@$(BIN)/python -m tests.support.install_typescript

ui-shots: install browser ## Screenshots of the Temporal Web UI for docs/web-ui.md
	$(BIN)/python -m tests.screenshots

soak: install ## 300 generations through chaos and kills: make soak RUNS=300 MINUTES=30 SEED=1 EVERY=4
	$(BIN)/python -m tests.soak --runs $(RUNS) --minutes $(MINUTES) --seed $(SEED) --every $(EVERY)

soak-batch: install ## 2,000 requests in one batch: make soak-batch LINES=2000 CONCURRENCY=50
	$(BIN)/python -m tests.soak.batch --lines $(LINES) --concurrency $(CONCURRENCY)

soak-upgrade: install ## Renders in flight while workers with other code take over: make soak-upgrade RUNS=50
	$(BIN)/python -m tests.soak.upgrade --runs $(if $(filter command line environment,$(origin RUNS)),$(RUNS),50)

histories: install ## Record the histories that changes are tried on, before a release: make histories VERSION=0.2.0
	$(BIN)/python -m tests.record_histories $(if $(VERSION),--version $(VERSION)) $(if $(INTO),--into $(INTO))

.venv/bench: .venv/installed requirements-bench.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@touch $@

bench: install .venv/bench ## Measure what is claimed of speed and cost into benchmarks/report.md: make bench BENCH=noticing
	$(BIN)/python -m benchmarks $(BENCH)

schema: install ## Write the published contract from the models: schema/v1/*.json
	$(BIN)/manxue schema --write schema

lock: install ## Pin the newest versions that pyproject.toml allows, with hashes
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --extra local --extra dev -o requirements-dev.lock
	$(BIN)/uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --extra local --extra dev --extra bench --constraint requirements-dev.lock -o requirements-bench.lock

audit: install ## Ask PyPI's advisories about every pinned version; needs the network, so it is no part of the gate
	@test -x .venv/audit/bin/pip-audit || { $(PYTHON) -m venv .venv/audit && .venv/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit; }
	.venv/audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock -r requirements-dev.lock

clean: ## Remove what the targets made, but not the videos
	rm -rf .venv .manxue .mypy_cache .ruff_cache .hypothesis
