# make demo: set everything up and run the method on one simulated case.   make test: lint and test.
# make bench: measure speed and memory beside others and the machine, on an idle machine, in 10 to 25 minutes.
# make --jobs=2 --output-sync=target test: the same tests in two processes, on two cores in little more than half the time.
# make docs: build the documentation to site/, without network.
# Another interpreter or place for the environment: make demo PYTHON=python3.12 VENV=/tmp/venv

PYTHON ?= python3
VENV ?= .venv
DEMO_OUTPUT ?= demo_output
BENCH_OUTPUT ?= benchmarks/results/performance.json
# For example --no-scale, or --busy where the machine cannot be idle.
BENCH_OPTIONS ?=

# About half of the time of all tests.
TRAINING_TESTS := tests/faults tests/learning tests/training tests/test_notebook.py

BIN := $(VENV)/bin
STAMP := $(VENV)/.recoseg-installed

.PHONY: install demo test test-training test-rest bench docs lint format clean
.DEFAULT_GOAL := install

install: $(STAMP)

# The stamp remembers a finished installation; what an installation depends on is newer when it must be done again.
$(STAMP): setup.py pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: install
	$(BIN)/recoseg demo --output $(DEMO_OUTPUT)

test: lint test-training test-rest

test-training: install
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest $(TRAINING_TESTS)

test-rest: install
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest $(TRAINING_TESTS:%=--ignore=%)

bench: install
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.performance $(BENCH_OPTIONS) --output $(BENCH_OUTPUT)
	$(BIN)/python -m benchmarks.fill_performance

docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist site *.egg-info .pytest_cache .ruff_cache .hypothesis $(DEMO_OUTPUT)
	find recoseg_hf tests -name __pycache__ -type d -prune -exec rm -rf {} +
