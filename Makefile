# make demo: draws a picture.  make test: runs every test.  make lint: checks the form of the sources.
# Each makes .venv when there is none and installs again only when what is built or declared has changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUILT_FROM := pyproject.toml setup.py CMakeLists.txt $(shell find csrc -type f)
NATIVE_SOURCES := $(shell find csrc -name '*.h' -o -name '*.cpp' -o -name '*.cu')
DEMO_PROMPT := a red circle on a blue background

.PHONY: demo test lint install install-dev clean
.DELETE_ON_ERROR:

demo: install
	@mkdir -p demo
	@$(BIN)/fastclipgen "$(DEMO_PROMPT)" --steps 500 --output demo/red-circle.png
	@echo "The picture: $$(ls -t $(CURDIR)/demo/*.png | head -n 1)"

test: install-dev
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/clang-format --dry-run -Werror $(NATIVE_SOURCES)

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

clean:
	rm -rf build demo *.egg-info fastclipgen/_C.*

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BUILT_FROM) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@$(BIN)/python -c 'from fastclipgen.ops import library; print("native module:", library.native_reason() or "built")'
	@touch $@

$(VENV)/.installed-dev: $(BUILT_FROM) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,dev]'
	@$(BIN)/python -c 'from fastclipgen.ops import library; print("native module:", library.native_reason() or "built")'
	@touch $(VENV)/.installed $@
