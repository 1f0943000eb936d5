# `make demo` and `make test` do all the set-up that they need, and nothing twice.

# The first of these that is new enough. Another one: make PYTHON=/path/to/python
PYTHON ?= $(shell for candidate in python3.11 python3; do \
	$$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$candidate && break; done)

# Options of `directloss compare`, of pytest and of the benchmarks, to be changed on the
# command line: make demo DEMO="--data my.csv --target label --out runs/mine"
DEMO = --data digits --trials 3 --out runs/demo
TOO_SMALL = --data diabetes --hidden none --trials 3 --seeds 10 --out runs/demo-diabetes
TEST =
BENCH =

BIN := .venv/bin
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-wheel test-oldest check-bounds lint bench docs clean

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

# Refining has little to do on digits. It has more where the model is too small for the truth.
demo: setup ## Compare cross-entropy and refining on digits and diabetes, write runs/demo*
	$(BIN)/directloss compare $(DEMO)
ifneq ($(origin DEMO),command line)
	$(BIN)/directloss compare $(TOO_SMALL)
endif

test: setup ## Run the tests
	$(BIN)/pytest -n 2 $(TEST)

# The library proper: what works without the packages of the commands and experiments.
LIBRARY = tests/inference tests/tasks tests/integrations tests/cli/test_answers.py \
	$(patsubst %,tests/training/test_%.py,distributed sampler score_memory together whole_dataset) \
	$(filter-out $(patsubst %,tests/test_%.py,cli mutations terminal),$(wildcard tests/test_*.py))

test-wheel: .venv-wheel/.installed ## Run the library's tests on the wheel, without the extras
	.venv-wheel/bin/pytest -n 2 $(or $(TEST),$(LIBRARY))

# Its units: each solver, task and loss by itself. The harness, which takes all tasks through
# enumeration, layouts and hard inputs, and what starts several processes run with newer releases.
OLDEST = tests/inference tests/tasks tests/cli/test_answers.py \
	$(patsubst %,tests/test_%.py,alone arguments files functional losses) \
	$(patsubst %,tests/training/test_%.py,sampler score_memory whole_dataset)

test-oldest: .venv-oldest/.installed ## Run its units on the wheel with the oldest dependencies
	.venv-oldest/bin/pytest -n 2 $(or $(TEST),$(OLDEST))

WHEEL = build/wheel/directloss-$(VERSION)-py3-none-any.whl
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
PACKAGE = $(shell find src -type f -not -path '*/__pycache__/*')

$(WHEEL): pyproject.toml constraints.txt README.md LICENSE $(PACKAGE)
	PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt "$(PYTHON)" -m pip wheel \
	--disable-pip-version-check --no-deps --wheel-dir build/wheel .
	@touch $@

.venv-wheel/.installed: constraints.txt
.venv-oldest/.installed: constraints-oldest.txt

# Tests import what is installed: no path leads to src. pip takes a wheel of the same version only by
# force, which would bring all that it needs anew.
.venv-wheel/.installed .venv-oldest/.installed: $(WHEEL)
	test -x $(@D)/bin/python || "$(PYTHON)" -m venv $(@D)
	PIP_CONSTRAINT=$(filter %.txt,$^) $(@D)/bin/python -m pip install --disable-pip-version-check \
	--force-reinstall --no-deps $(WHEEL)
	PIP_CONSTRAINT=$(filter %.txt,$^) $(@D)/bin/python -m pip install --disable-pip-version-check \
	'directloss[test-library] @ file://$(abspath $(WHEEL))'
	@touch $@

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

# Warnings are errors, and so are links and anchors that lead nowhere. Outputs of notebooks are kept in
# build/notebooks: a notebook runs again if its code changed. Remove that folder after other changes.
docs: setup ## Make the site: build/site/index.html
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --jobs auto --conf-dir docs/site \
	--doctree-dir build/doctrees --quiet docs build/site
	@echo "build/site/index.html"

clean: ## Remove caches and builds; environments and runs stay
	rm -rf .bounds_cache .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find src tests $(wildcard benchmarks) -name __pycache__ -type d -exec rm -rf {} +
