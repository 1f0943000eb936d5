# `make demo` and `make test` do all the set-up that they need, and nothing twice.

# The first of these that is new enough. Another one: make PYTHON=/path/to/python
PYTHON ?= $(shell for candidate in python3.11 python3; do \
	$$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$candidate && break; done)

# Options of `directloss compare`, of pytest and of the benchmarks, to be changed on the
# command line: make demo DEMO="--data my.csv --target label --out runs/mine"
DEMO = --data digits --trials 3 --out runs/demo
TEST =
BENCH =

BIN := .venv/bin
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test check-bounds lint bench clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## Make .venv with everything that development, tests and demo need

# The stamp is written last: an installation that was cut short is taken up again.
# Constraints come by environment so that they also bind what builds the package.
$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { \
	echo "directloss needs Python 3.11 or newer, and neither python3.11 nor python3 is one." >&2; \
	echo "Name one that is: make PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	f"directloss needs Python 3.11 or newer; $(PYTHON) is {sys.version.split()[0]}")'
	"$(PYTHON)" -m venv .venv
	PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.[all]'
	@touch $@

demo: setup ## Train digits by every method, print the table, write runs/demo/report.html
	$(BIN)/directloss compare $(DEMO)

test: setup ## Run the tests
	$(BIN)/pytest -n 2 $(TEST)

# Code with the checks must not be found where code without them is kept.
check-bounds: setup ## Run the engine's tests with each index of each kernel checked
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=.bounds_cache $(BIN)/pytest -n 2 \
	$(or $(TEST),tests/inference tests/tasks $(wildcard tests/test_*.py))

lint: setup ## Check style, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: setup ## Measure speed and memory
	$(BIN)/python -m benchmarks $(BENCH)

clean: ## Remove caches and builds; .venv and runs stay
	rm -rf .bounds_cache .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find src tests $(wildcard benchmarks) -name __pycache__ -type d -exec rm -rf {} +
