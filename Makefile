# make demo, make test, make check and make docs set everything up: Python >= 3.11 and make are all they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Threads that wait should sleep: on a busy machine, spinning ones slow everything down severalfold.
export OMP_WAIT_POLICY ?= passive

.PHONY: demo test check docs clean

demo: $(VENV)/ready
	$(BIN)/fwi demo

# With the tools of the site, of which some tests are.
test: $(VENV)/docs-ready
	$(BIN)/python -m pytest

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The site, in docs/_build/html: its examples are run, and warnings are errors.
docs: $(VENV)/docs-ready
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

# The pinned torch is asked for alone and first, so that nothing asks for a newer one.
$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.version_info >= (3, 11) or sys.exit('Python 3.11 or newer is needed: make PYTHON=python3.12 ...')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

$(VENV)/docs-ready: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache docs/_build docs/tutorials docs/gallery
