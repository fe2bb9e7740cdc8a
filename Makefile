# Everything runs in .venv; PYTHON and TORCH may be chosen, as in `make demo PYTHON=python3.12`.
PYTHON ?= python3
# Installed first, so that nothing else asks for a newer build with gigabytes of CUDA libraries.
TORCH ?= torch==2.13.0
BIN := .venv/bin
INSTALLED := .venv/installed
COMPILED := gym_cards/render/_canvas*.so

.PHONY: demo compare test test-slow lint docs clean

demo: $(INSTALLED)
	$(BIN)/vlm-agent demo $(DEMO_OPTIONS)

# docs/results.md; goes on where it was broken off.
compare: $(INSTALLED)
	$(BIN)/python benchmarks/compare.py $(COMPARE_OPTIONS)

test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow --numprocesses auto --dist loadfile

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site, in build/site.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

clean:
	rm -rf .venv build dist *.egg-info $(COMPILED)

# What alfworld is built on is compiled by scripts that call `python`: it has to be on the path.
$(INSTALLED): pyproject.toml setup.py gym_cards/render/_canvas.c Makefile
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	rm -f $(COMPILED)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@
