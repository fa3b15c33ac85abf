# Everything that people and CI run. Needs only python3 (3.11 or newer, with venv) and make.
# Paths are relative, so that a clone in a folder with spaces in its name works.

.DEFAULT_GOAL := help
.PHONY: help setup run test lint types format reference bench lock clean

BIN := .venv/bin
ARGS ?=
PORT ?= 8000
# Another interpreter: make setup PYTHON=python3.12
PYTHON ?=
UV ?= uv
COMPILE := $(UV) pip compile --quiet pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-header --no-emit-index-url

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: ## Make .venv with everything that is needed; quick when it is there
	@PYTHON="$(PYTHON)" sh scripts/setup.sh

run: setup ## Start a demo service on http://127.0.0.1:8000, with its data in ./var/demo
	@$(BIN)/watchkeeper demo --data-dir var/demo && \
		exec $(BIN)/watchkeeper serve --data-dir var/demo --port $(PORT)

test: setup ## Run the tests (ARGS="-k name" for some of them)
	@$(BIN)/python -m pytest $(ARGS)

lint: setup ## Check style, size of functions, and the walls between packages
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo

types: setup ## Check the types
	@$(BIN)/mypy src tests bench

format: setup ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

reference: setup ## Write docs/reference from the code
	@$(BIN)/python -m watchkeeper.reference

bench: setup ## Measure, and print the figures with the machine they were taken on
	@$(BIN)/python -m bench $(ARGS)

lock: ## Choose newer versions of the dependencies (needs uv)
	$(COMPILE) --upgrade -o requirements/run.lock
	$(COMPILE) --upgrade --extra dev -o requirements/dev.lock

clean: ## Remove .venv and caches; data in ./var stays
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist
