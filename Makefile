# `make` lists the commands.  Each sets up what it needs, once, in .venv.

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo serve test calibration check bench docs lock clean

OUT ?= flarefree-demo
PY := .venv/bin/python

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup:
	@scripts/setup core

setup-dev:
	@scripts/setup dev

demo: setup ## set everything up, analyze one virtual trial, say where its report is
	@.venv/bin/flarefree demo --out $(OUT) --study $(OUT)-study

test: setup-dev ## set everything up and pass the tests
	$(PY) -m pytest -q -n 2 -m "not browser and not slow"
	FLAREFREE_TEST_POSTGRESQL=yes $(PY) -m pytest -q -n 2 -m "not browser and not slow" tests/web

serve: ## set everything up and open a virtual trial in the browser
	@scripts/setup web
	@.venv/bin/flarefree serve --demo

calibration: setup-dev ## the slow truths: error rates and coverage by simulation, long property searches
	$(PY) -m pytest -q -n 2 -m slow

check: setup-dev ## what CI runs: tests, linters, types, import contract, browser tests
	.ci/run

bench: setup-dev ## run the benchmarks, with their floors and peers in the same run
	$(PY) -m benchmarks

docs: setup-dev ## build the documentation into site/
	.venv/bin/zensical build --strict

lock: setup-dev ## make requirements/*.txt again
	scripts/lock

clean: ## remove what was built
	rm -rf .venv site build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis flarefree-demo
