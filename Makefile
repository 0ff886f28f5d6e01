# make start   run the function app of this folder        make test   run all tests
# make quick   run the tests that start no process        make bench  measure
# make check   lint, types, imports and unused code      make unused list code that nothing uses
# make coverage   run all tests and report which lines and branches they reach, processes included (TESTS=tests/engine:
#                 only these); the report is in build/coverage/html
# make soak    kill the host 200 times under load and check its results (KILLS=20: fewer; HOURS=1: no kills, but samples
#                 of memory, descriptors, queues and tables in build/soak, with STORAGE=sqlite in a file)
# make simulate   run seeds of the simulation of storage requests on all cores (SEEDS=10000: that many; SEED=123: that
#                 one alone, with its requests; MUTATIONS=1: break the product on purpose and check that a seed detects it)
# make matrix   run the tests of docs/how-to/test-your-app.md on each Python of this machine from 3.11 to 3.14, for apps of both
#                 generations of the SDK
# make lock    update constraints.txt to the newest versions that pyproject.toml allows
# PYTHON=/path/to/python3.11+ chooses the interpreter of the virtual environment.

CANDIDATES := python3.14 python3.13 python3.12 python3.11 python3 python
PYTHON ?= $(shell for name in $(CANDIDATES); do \
	command -v $$name >/dev/null 2>&1 \
	&& $$name -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo $$name; break; }; done)

# Processes that run tests. Many tests wait, for a host most of the time; unit tests hardly wait. Each process runs its
# share of the files, and then takes others until none is left (tests/shares.py). More than 33 would wait for Azurite,
# which uses one core.
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
WORKERS ?= $(shell test $(CORES) -lt 8 && expr 4 \* $(CORES) + 1 || echo 33)
UNIT_WORKERS ?= $(shell expr $(CORES) + 1)

VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
STAMP := $(VENV)/.installed

.PHONY: install start test quick coverage check unused bench soak simulate matrix lock clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed (make PYTHON=/path/to/python)." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@touch $(STAMP)

start: install
	$(BIN)/func start

test: install
	$(BIN)/python -m pytest -n $(WORKERS) --dist each

quick: install
	HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-quick} $(BIN)/python -m pytest -m unit -n $(UNIT_WORKERS) --dist each

TESTS ?= tests

coverage: install
	rm -rf build/coverage && mkdir -p build/coverage
	$(BIN)/coverage run -m pytest -n $(WORKERS) --dist each -o timeout=300 $(TESTS); tests=$$?; \
	$(BIN)/coverage combine --quiet && $(BIN)/coverage html --quiet && $(BIN)/coverage report && exit $$tests

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo
	$(BIN)/vulture

unused: install
	$(BIN)/vulture

bench: install
	$(BIN)/python -m bench

KILLS ?= 200
STORAGE ?= azurite

soak: install
	$(BIN)/python -m bench.soak $(if $(HOURS),--hours $(HOURS) --storage $(STORAGE) --keep build/soak,--kills $(KILLS))

SEEDS ?= 1000

simulate: install
	$(BIN)/python tests/storage_simulation/simulate.py $(if $(MUTATIONS),--mutations,$(if $(SEED),--seed $(SEED),--seeds $(SEEDS)))

matrix:
	$(PYTHON) -m bench.kit_matrix

lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	build/lock/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
		--python-version 3.13 --dest build/lock/3.13 "azure-functions<2"
	{ echo "# The versions that 'make install' takes. 'make lock' writes this file, with Python 3.11 or 3.12."; \
	  build/lock/bin/python -m pip freeze --exclude-editable | sed "s/^azure-functions==.*/& ; python_version < '3.13'/"; \
	  ls build/lock/3.13 | sed "s/^azure_functions-\([^-]*\)-.*/azure-functions==\1 ; python_version >= '3.13'/"; \
	} > constraints.txt

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
