# `make` without a target lists the targets.

PYTHON ?= python3
# Recipes call programs by their path: GNU make 3.81, the one on macOS, ignores a PATH that a Makefile sets.
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help install .venv committed repro report plots compare audit bench bench-scale bench-predict bench-read ladder caching \
  test test-all fuzz verify kills old-keras lint format lock ci

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The programs in a virtual environment hold its absolute path, so a .venv that was moved or copied does not work.
# A symbolic link to an environment elsewhere does.
IN_PLACE := { [ -L .venv ] || grep -qsF "$$(pwd -P)/.venv/bin/python" .venv/bin/dvc; }

# .venv keeps a copy of the lock file that it was installed from. The contents are compared, because git keeps no times.
install:  ## Create .venv with the pinned dependencies
	@{ cmp -s requirements.lock .venv/requirements.lock && $(IN_PLACE); } || $(MAKE) --no-print-directory .venv

.venv:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "error: $(PYTHON) is $$($(PYTHON) --version 2>&1); expected Python 3.11 to 3.13: make PYTHON=python3.12"; exit 1; }
	@[ ! -e .venv/bin/dvc ] || $(IN_PLACE) || { echo "Removing .venv: it was moved or copied."; rm -rf .venv; }
	@echo "Installing the pinned dependencies into .venv: a few minutes, 2.5 GB on disk."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@cp requirements.lock .venv/

# Checked before `install`, which takes minutes.
committed:
	@git cat-file -e HEAD:./dvc.lock 2>/dev/null \
	  || { echo "error: dvc.lock is not in the last commit; expected a git repository with committed results"; exit 1; }

repro: install  ## Run the stages that a change affects, and print the metrics
	@$(BIN)/python -m checks.sources --ask-again
	@$(BIN)/dvc repro
	@$(BIN)/python -m checks.sources
	@echo "Look next: results/report.html in a browser, results/figures/*.png, make plots"

report: install  ## Run the stages that a change affects, and print where the report is
	@$(BIN)/dvc repro
	@echo "Open results/report.html in a browser"

# DVC's own template loads Vega from the internet; this one contains it.
plots: install  ## Draw the plots on a page that needs no network; REVS="HEAD~1 HEAD" compares commits
	@mkdir -p .dvc/tmp
	@$(BIN)/python .dvc/plots/page.py > .dvc/tmp/page.html
	@$(BIN)/dvc plots $(if $(REVS),diff $(REVS),show) --html-template .dvc/tmp/page.html

compare: install  ## Compare this run with that of REV=HEAD~1: metrics, McNemar's test, changed answers, slices
	@$(BIN)/python -m checks.compare $(or $(REV),HEAD~1)

audit: install  ## Check the pinned dependencies for known vulnerabilities (needs a network)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --group audit
	@$(BIN)/pip-audit --strict --progress-spinner off --require-hashes --disable-pip --requirement requirements.lock

bench: install  ## Compare this project with the notebook and other libraries: benchmarks/results.md
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --group bench
	@$(BIN)/python -m benchmarks.run

bench-scale: install  ## Time 25,000 to 1.6 million reviews: benchmarks/scale.md
	@$(BIN)/python -m benchmarks.scale

bench-predict: install  ## Time stages.predict on 10,000 and 100,000 reviews: benchmarks/predict.md
	@$(BIN)/python -m benchmarks.predict

bench-read: install  ## Time `download` and `predict` on a file of reviews, on one core and on all: benchmarks/workers.md
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --group bench
	@$(BIN)/python -m benchmarks.workers

ladder: install  ## Run the steps from the reference run to the best model: docs/experiments.md (ten minutes)
	@$(BIN)/python -m benchmarks.ladder

caching: install  ## Write docs/caching.md: which stages run after which change (seven minutes)
	@$(BIN)/python -m checks.caching

clean-cache: install  ## Remove the tokens that `download` keeps for the next run
	@$(BIN)/python -m stages.download.tokens

test: install  ## Run the tests, except the slow ones
	@$(BIN)/pytest -m "not slow"

test-all: install  ## Run all tests: also browser, fuzzing, kills and whole runs
	@$(BIN)/pytest

fuzz: install  ## Test random input for MINUTES=10: damaged files, parameters, texts
	@FUZZ_MINUTES=$(or $(MINUTES),10) $(BIN)/pytest tests/fuzz --numprocesses=0

verify: committed install  ## Check that a clean clone reproduces the committed results bit for bit
	@$(BIN)/python -m checks.verify

kills: committed install  ## Kill stages at 120 moments, and check that `dvc repro` repairs the results
	@$(BIN)/python -m checks.kills

old-keras: install  ## Load the model in Keras 3.10, and compare its probabilities (needs a network)
	@$(BIN)/python -m checks.old_keras

lint: install  ## Check style, types, and that dvc.yaml is complete
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/python -m checks.declared

format: install  ## Format the code
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

lock: install  ## Update requirements.lock from pyproject.toml
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --upgrade --group dev pyproject.toml -o requirements.lock

ci: lint test-all verify  ## Run what CI runs for each push
