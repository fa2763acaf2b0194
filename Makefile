# What people do here. `make lecture DAY=4` and `make test` each set up all they need.
SHELL := /bin/bash
VENV := .venv
PY := $(VENV)/bin/python
DAY ?= 4
DAYS ?= all
ARGS ?=

.PHONY: help lecture course test quicktest test-all lint lock bench serve notebooks clean setup testtools

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

lecture: setup ## build one day: make lecture DAY=4 [ARGS="--quality draft"]
	$(PY) build.py $(DAY) $(ARGS)

course: setup ## build several days: make course DAYS="4 8"
	$(PY) build.py "$(DAYS)" $(ARGS)

test: setup testtools ## all tests that a pull request must pass
	$(PY) -m pytest $(ARGS)

quicktest: setup ## the tests that take seconds
	$(PY) -m pytest -m "not slow and not browser and not office" $(ARGS)

test-all: test notebooks ## the tests, and every notebook executed
	$(PY) -m pytest -m "slow" $(ARGS)

lint: setup ## ruff, and the lint of lectures
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .
	$(PY) build.py check

notebooks: setup ## write notebooks/ anew from the scripts
	$(PY) -m coursebuild.notebooks

serve: setup ## preview on this machine, rebuilt on change
	$(PY) build.py serve $(DAYS) $(ARGS)

lock: setup ## newest versions that pyproject.toml allows, with hashes, without index addresses
	$(VENV)/bin/uv pip compile pyproject.toml --extra build --extra test --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header --upgrade -o requirements.lock
	$(VENV)/bin/uv pip compile tests/bench/requirements.in --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header --upgrade -o tests/bench/requirements.lock

bench: setup .venv-bench/.ready ## measure and write docs/PERFORMANCE.md: make bench [ARGS="--quick"]
	$(PY) -m tests.bench $(ARGS)

.venv-bench/.ready: tests/bench/requirements.lock # without it the page says that the rivals were not measured
	-@bash .ci/environment.sh .venv-bench $< && touch $@

clean: ## remove what was built (caches of downloads stay)
	rm -rf out .build

setup: $(VENV)/.ready ## system packages without a wheel, the virtual environment

$(VENV)/.ready: requirements.lock .ci/system-packages.sh
	@bash .ci/system-packages.sh build
	@bash .ci/environment.sh $(VENV)
	@touch $@

testtools: $(VENV)/.testtools

$(VENV)/.testtools: .ci/system-packages.sh
	@bash .ci/system-packages.sh test
	@touch $@
