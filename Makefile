# Every command that people, the pre-commit hook and CI run. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

.DEFAULT_GOAL := help
.PHONY: help demo test browser notebook check lint format types test-js bundle js screenshots images worlds bench train clean

help:  ## list these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# The stamp files make set-up happen once, and again when what it installs has changed.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e .
	@touch $@

$(VENV)/.test: $(VENV)/.installed
	$(PIP) -e '.[test,dev,ipyvolume]'
	@touch $@

# Not `npm ci`: it refuses a lock file that lacks the packages of other platforms, which not every registry carries.
js/node_modules/.installed: js/package.json js/package-lock.json
	cd js && npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

demo: $(VENV)/.installed  ## explain the bundled clip with the bundled model: text, one page, one picture
	@$(BIN)/python -m notebook_explain demo

test: $(VENV)/.test  ## all Python tests, those in a browser too where there is one
ifeq ($(CHROMIUM),)
	@echo "*** No Chromium found: the browser tests will be SKIPPED. 'make browser' installs it. ***"
endif
	$(BIN)/python -m pytest $(PYTEST)

browser:  ## install Chromium (Debian, Ubuntu) for the tests in a browser
ifeq ($(CHROMIUM),)
	apt-get update
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium
else
	@echo "found $(CHROMIUM)"
endif

notebook: $(VENV)/.test  ## open the lessons in JupyterLab
	$(BIN)/jupyter lab --notebook-dir=notebooks

check: lint types test-js bundle test  ## everything CI judges: lint, types, JS tests, bundle up to date, all tests

lint: $(VENV)/.test js/node_modules/.installed  ## style of the Python and the JS code
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	cd js && npm run --silent lint

format: $(VENV)/.test  ## put the Python code in style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(VENV)/.test js/node_modules/.installed  ## types of the Python and the JS code
	$(BIN)/mypy
	cd js && npm run --silent types

test-js: js/node_modules/.installed  ## unit tests of the JS code
	cd js && npm test --silent

bundle: js/node_modules/.installed  ## fail unless the committed bundles are what the JS code builds
	cd js && npm run --silent build -- --check

js: js/node_modules/.installed  ## rebuild the committed bundles
	cd js && npm run --silent build

screenshots: $(VENV)/.test  ## every named state of every view as PNG, to look at, in out/screenshots
	$(BIN)/python -m tests.browser.screenshots out/screenshots --demo --lab

images: $(VENV)/.test  ## the pictures of the README and the how-tos, taken anew
	$(BIN)/python -m tests.browser.readme_images docs/images

worlds: $(VENV)/.installed  ## contact sheets of the synthetic clips as PNG, to look at, in out/worlds (the docs show one)
	$(BIN)/python -m scripts.contact_sheets out/worlds

bench: $(VENV)/.test  ## every figure of the README
	$(BIN)/python -m benchmarks

train: $(VENV)/.installed  ## train the bundled model anew
	$(BIN)/python -m scripts.demo_model.train

clean:  ## remove what these commands made
	rm -rf $(VENV) js/node_modules out build dist
