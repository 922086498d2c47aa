# PYTHON: the Python to make .venv with; found if not given.
# ARGS: passed on to the command, as in `make test ARGS="-k noise_ceiling"`.
PYTHON ?=
ARGS ?=

# What is imported is compiled then, and once for all processes that start; most of what is
# installed never is.
unexport PYTHONDONTWRITEBYTECODE
PIP := -m pip install --quiet --disable-pip-version-check --no-compile
# Named exactly: a newer release may bring gigabytes for graphics cards.
TORCH := torch==2.13.0

VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench docs pictures installs clean
.DELETE_ON_ERROR:

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.explorer ## install into .venv, write the demo dataset once, serve the app and open it
	$(BIN)/laion-fmri explore --demo $(ARGS)

test: $(VENV)/.test ## install into .venv, find or install a Chromium, run every test
	@browser=$$(tools/find_chromium $(BIN)/python) || exit; echo "Browser tests use $$browser"
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(VENV)/.test ## ruff format and lint, type check, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test ## let ruff format the code and fix what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.test $(VENV)/aws/.made ## install nginx and aws, run the benchmarks, each against its baseline
	@tools/find_nginx >/dev/null
	@export PATH="$$PATH:$(CURDIR)/$(VENV)/aws/bin"; for script in $(wildcard tests/benchmarks/*.py); do \
		echo "== $$script"; $(BIN)/python $$script $(ARGS) || exit; \
	done

docs: $(VENV)/.docs ## build the documentation into docs/_build/html
	@rm -rf docs/reference/generated
	$(BIN)/sphinx-build --fail-on-warning --keep-going docs docs/_build/html $(ARGS)

pictures: $(VENV)/.test ## take the pictures of the app that README and docs show
	$(BIN)/python tools/pictures.py docs/images

installs: $(VENV)/.test ## install into new environments: Python 3.11 to 3.13, with each extra
	$(BIN)/python tools/check_installs.py $(ARGS)

clean: ## remove .venv and everything that was built
	rm -rf $(VENV) build dist docs/_build docs/reference/generated
	rm -rf .pytest_cache .hypothesis .ruff_cache .mypy_cache .import_linter_cache

# The AWS command line asks for other versions than the documentation does.
$(VENV)/aws/.made: $(VENV)/.made
	@$(BIN)/python -m venv $(VENV)/aws
	@$(VENV)/aws/bin/python $(PIP) awscli
	@touch $@

# An empty file in .venv says what is installed, so that a second make starts at once.
$(VENV)/.made:
	@python="$(PYTHON)"; test -n "$$python" || python=$$(tools/find_python) || exit; \
	echo "Making $(VENV) with $$("$$python" --version)"; \
	"$$python" -m venv --clear $(VENV)
	@touch $@

$(VENV)/.explorer: EXTRAS := explorer
$(VENV)/.test: EXTRAS := explorer,docs,test
$(VENV)/.docs: EXTRAS := explorer,splits,docs
$(VENV)/.test $(VENV)/.docs: WITH := $(TORCH)
$(VENV)/.explorer $(VENV)/.test $(VENV)/.docs: $(VENV)/.made pyproject.toml Makefile
	@echo "Installing the package with its extras $(EXTRAS): a minute or two the first time"
	@$(BIN)/python $(PIP) --editable ".[$(EXTRAS)]" $(WITH)
	@touch $@ $(VENV)/.explorer
