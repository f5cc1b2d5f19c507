# `make` lists the targets. Everything is installed into .venv/ from pinned requirements.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The first Python that is new enough and really runs (a version manager's shim may not).
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$python" && break; done)
VENV_PYTHON := .venv/bin/python
PIP := $(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check

.PHONY: help setup setup-dev demo run test lint format lock docs screenshots chaos bench clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' \
		| while IFS=$$'\t' read -r target what; do printf '  make %-10s %s\n' "$$target" "$$what"; done

setup: .venv/runtime ## Install what the service needs into .venv
setup-dev: .venv/dev

demo: .venv/runtime ## Show the whole service at work; DEMO_EXIT=1 ends it afterwards
	@$(VENV_PYTHON) -m demo

run: .venv/runtime ## Serve on this machine, with simulated texts unless OPENAI_API_KEY is set
	@$(VENV_PYTHON) -m demo.serve

test: .venv/dev ## Run every test
	@for tool in jq node openssl curl php nginx haproxy systemd-analyze; do \
		command -v "$$tool" >/dev/null \
		|| echo "Left out: the tests of examples/ and docs/ that need $$tool, which is not installed."; done
	@command -v chromium chromium-browser google-chrome >/dev/null \
		|| echo "Left out: tests/browser, which needs Chromium, which is not installed."
	@$(VENV_PYTHON) -m pytest --numprocesses auto --dist worksteal

lint: .venv/dev ## Check style, types and the direction of imports
	@$(VENV_PYTHON) -m ruff check .
	@$(VENV_PYTHON) -m ruff format --check .
	@$(VENV_PYTHON) -m mypy
	@$(VENV_PYTHON) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

format: .venv/dev ## Format the code and mend what ruff can mend
	@$(VENV_PYTHON) -m ruff check --fix .
	@$(VENV_PYTHON) -m ruff format .

docs: .venv/dev ## Write anew what in docs/ follows from the code
	@$(VENV_PYTHON) -m tools.configuration
	@$(VENV_PYTHON) -m tests.structure.diagrams

screenshots: .venv/dev ## Picture every page, in both themes, for a desk and a phone, into TO=.data/screenshots
	@$(VENV_PYTHON) -m tests.browser.screenshots $(or $(TO),.data/screenshots)

chaos: .venv/dev ## Kill everything for ROUNDS rounds (SEED=, SERVICES=, DIRECT=1): is anything lost or paid twice?
	@$(VENV_PYTHON) -m tests.faults --rounds $(or $(ROUNDS),200) $(if $(SEED),--seed $(SEED)) \
		$(if $(SERVICES),--services $(SERVICES)) $(if $(DIRECT),--direct)

bench: .venv/dev ## Measure, with a large job of SCALE=50000 lots; see bench/
	@$(VENV_PYTHON) -m bench $(if $(SCALE),--scale $(SCALE))

lock: ## Pin requirements*.txt anew from requirements*.in
	@tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	"$(PYTHON)" -m venv "$$tools"; \
	"$$tools/bin/python" -m pip install --quiet pip-tools; \
	for name in requirements requirements-dev; do \
		"$$tools/bin/python" -m piptools compile --quiet --upgrade --strip-extras --no-header \
			--no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
			--output-file "$$tools/$$name.txt" "$$name.in"; \
		{ echo "# Pinned from $$name.in: make lock"; cat "$$tools/$$name.txt"; } > "$$name.txt"; \
	done

clean: ## Remove .venv and caches; the data in .data stays
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer is needed: install it, or say PYTHON=/path/to/python3'; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo '$(PYTHON) does not run or lacks venv and pip; on Debian and Ubuntu: apt install python3-venv'; exit 1; }
	@echo 'Making .venv with $(PYTHON) …'
	@"$(PYTHON)" -m venv .venv

.venv/runtime: requirements.txt | .venv/bin/python
	@echo 'Installing requirements.txt …'
	@$(PIP) -r requirements.txt
	@touch $@

.venv/dev: requirements-dev.txt .venv/runtime
	@echo 'Installing requirements-dev.txt …'
	@$(PIP) -r requirements-dev.txt
	@touch $@
