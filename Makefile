# The commands that people, the pre-commit hooks and CI run. `make help` lists them.
PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
FIREFOX := $(shell command -v firefox-esr || command -v firefox)

.DEFAULT_GOAL := help
.PHONY: help demo test browser notebook check lint format types test-js bundle js docs wheel screenshots images worlds bench train clean

help:  ## list these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# The stamp files run each set-up step once, and again when its inputs change.
$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	$(PIP) -e .
	@touch $@

$(VENV)/.test: $(VENV)/.installed
	$(PIP) -e '.[test,dev,ipyvolume]'
	@touch $@

# Packages of video networks, for tests and benchmarks: in a folder of their own and without dependencies, which would
# replace torch. Groups of pyproject.toml need pip 25.1.
$(VENV)/models/.installed: pyproject.toml | $(VENV)/.test
	$(PIP) 'pip>=25.1'
	rm -rf $(VENV)/models
	$(PIP) --no-deps --target $(VENV)/models --group models
	@touch $@

# An older kernel, for the tests of views while a cell runs.
$(VENV)/ipykernel6/.installed: pyproject.toml | $(VENV)/models/.installed
	rm -rf $(VENV)/ipykernel6
	$(PIP) --no-deps --target $(VENV)/ipykernel6 --group ipykernel6
	@touch $@

# Not `npm ci`: it refuses a lock file without the packages of other platforms, which some registries lack.
js/node_modules/.installed: js/package.json js/package-lock.json
	cd js && npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

demo: $(VENV)/.installed  ## explain the bundled clip with the bundled model: text, a page, a picture
	@$(BIN)/python -m notebook_explain demo

# One process for each core, with one thread each.
test: export OMP_NUM_THREADS = 1
test: $(VENV)/.test $(VENV)/models/.installed $(VENV)/ipykernel6/.installed  ## run all Python tests (browser tests need Chromium)
ifeq ($(CHROMIUM),)
	@echo "*** No Chromium found: the browser tests will be SKIPPED. 'make browser' installs it. ***"
endif
	$(BIN)/python -m pytest -n auto --dist loadfile $(PYTEST)

browser:  ## install Chromium and Firefox for the browser tests (Debian)
ifneq ($(and $(CHROMIUM),$(FIREFOX)),)
	@echo "found $(CHROMIUM) and $(FIREFOX)"
else
	apt-get update
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium firefox-esr
endif

$(VENV)/.docs: $(VENV)/.test
	$(PIP) -e '.[docs]'
	@touch $@

docs: $(VENV)/.docs  ## build the documentation site in out/site; fail on any warning or request to another server
	$(BIN)/python -m scripts.docs.build

wheel: $(VENV)/.test  ## build the wheel, install it in an empty environment, and run the demo and the viewer there
	$(BIN)/python -m scripts.check_wheel

notebook: $(VENV)/.test  ## open the tutorials in JupyterLab
	$(BIN)/jupyter lab --notebook-dir=notebooks

check: lint types test-js bundle test docs wheel  ## run everything that CI runs

lint: $(VENV)/.test js/node_modules/.installed  ## check the style of the Python and JS code
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	cd js && npm run --silent lint

format: $(VENV)/.test  ## format the Python code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(VENV)/.test js/node_modules/.installed  ## check the types of the Python and JS code
	$(BIN)/mypy
	cd js && npm run --silent types

test-js: js/node_modules/.installed  ## run the JS unit tests
	cd js && npm test --silent

bundle: js/node_modules/.installed  ## fail if the committed bundles are out of date
	cd js && npm run --silent build -- --check

js: js/node_modules/.installed  ## rebuild the committed bundles
	cd js && npm run --silent build

screenshots: $(VENV)/.test  ## write every named state of every view as PNG to out/screenshots
	$(BIN)/python -m tests.browser.screenshots out/screenshots --demo --lab

images: $(VENV)/.test  ## retake the pictures of the README and the how-to pages
	$(BIN)/python -m tests.browser.readme_images docs/images

worlds: $(VENV)/.installed  ## write contact sheets of the synthetic clips to out/worlds
	$(BIN)/python -m scripts.contact_sheets out/worlds

bench: $(VENV)/.test  ## print every figure of docs/benchmarks.md
	$(BIN)/python -m benchmarks

train: $(VENV)/.test  ## train the bundled model from scratch
	$(BIN)/python -m scripts.demo_model.train

clean:  ## remove everything these commands created
	rm -rf $(VENV) js/node_modules out build dist docs/generated
