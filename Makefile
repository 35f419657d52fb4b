# The front door: `make` prints what there is.

PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help install .venv repro report plots audit bench bench-scale bench-predict caching test fuzz verify kills lint format lock

help:  ## Print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | awk -F '\t' '{printf "  make %-13s %s\n", $$1, $$2}'

# The lock is kept beside what was installed from it, and compared by content: git does not keep times.
install:  ## Create .venv with the pinned dependencies
	@cmp -s requirements.lock .venv/requirements.lock || $(MAKE) --no-print-directory .venv

.venv:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "error: $(PYTHON) is $$($(PYTHON) --version 2>&1); expected Python 3.11 to 3.13: make PYTHON=python3.12"; exit 1; }
	@echo "Installing the pinned dependencies into .venv: a few minutes, 2.5 GB on disk."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@cp requirements.lock .venv/

repro: install  ## Run what has changed of the pipeline, and print the metrics
	@dvc repro
	@dvc metrics diff --all
	@echo "Look next: results/report.html in a browser, results/figures/*.png, make plots"

report: install  ## Run what has changed, and say where the report is
	@dvc repro
	@echo "Open results/report.html in a browser"

# DVC's own page takes Vega from the internet; this one has it inside.
plots: install  ## Draw DVC's plots on a page that needs no network; REVS="HEAD~1 HEAD" compares
	@mkdir -p .dvc/tmp
	@python .dvc/plots/page.py > .dvc/tmp/page.html
	@dvc plots $(if $(REVS),diff $(REVS),show) --html-template .dvc/tmp/page.html

audit: install  ## Check the pinned dependencies for known vulnerabilities (asks the network)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --group audit
	@pip-audit --strict --progress-spinner off --require-hashes --disable-pip --requirement requirements.lock

bench: install  ## Time this project beside the notebook and its peers: benchmarks/results.md
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --group bench
	@python -m benchmarks.run

bench-scale: install  ## Time 25,000 to 1.6 million reviews: benchmarks/scale.md
	@python -m benchmarks.scale

bench-predict: install  ## Time stages.predict on 10,000 and 100,000 reviews: benchmarks/predict.md
	@python -m benchmarks.predict

caching: install  ## Write docs/caching.md: which stages run again after which change (about ten minutes)
	@python -m checks.caching

test: install  ## Run the tests
	@pytest

fuzz: install  ## Try random input for MINUTES=10: damaged files, odd parameters, any text
	@FUZZ_MINUTES=$(or $(MINUTES),10) pytest tests/fuzz --numprocesses=0

verify: install  ## Check that a clean clone gives the committed results, to the byte
	@python -m checks.verify

kills: install  ## Kill stages at 120 moments, and check that `dvc repro` repairs each
	@python -m checks.kills

lint: install  ## Check style and types
	@ruff check
	@ruff format --check --quiet
	@mypy
	@python -m checks.declared

format: install  ## Format the code
	@ruff check --fix
	@ruff format

lock: install  ## Renew requirements.lock from pyproject.toml
	@$(BIN)/python -m pip install --quiet uv
	@uv pip compile --quiet --upgrade --group dev pyproject.toml -o requirements.lock
