# Every target installs what it needs, once; `make` alone lists them.
PYTHON ?= python3
SDK_PYTHON ?= $(PYTHON)

PACK := Packs/AWSSNSSMSCommunication
ZIP := dist/AWSSNSSMSCommunication.zip

DEMO := .venv/.demo
DEV := .venv/.dev
BENCH := .venv/.bench
OLDEST := .venv-oldest/.oldest
SDK := .venv-sdk/.sdk

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help demo warroom test lint unit e2e aws-check soak oldest bench validate pack docs constraints tools clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(DEMO) ## watch a question go out by SMS and the answer resume a playbook
	@.venv/bin/python -m emulator demo

warroom: $(DEMO) ## the same by hand: type war-room commands and replies
	@.venv/bin/python -m emulator warroom

test: tools ## everything that has to pass: lint, validate, unit, oldest, aws-check, e2e
	@.venv/bin/python tools/check.py

lint: $(DEV) ## ruff and mypy
	@.venv/bin/python tools/check.py lint

unit: $(DEV) ## the tests beside the code
	@.venv/bin/python tools/check.py unit

e2e: $(DEV) $(ZIP) ## the end-to-end tests over the emulator
	@.venv/bin/python tools/check.py e2e

aws-check: $(DEV) ## the template for AWS: its linter, its policies, and the pack with their permissions
	@.venv/bin/python tools/check.py aws-check

soak: $(DEV) ## 200 questions while the poller is killed 100 times; SEED= repeats a run's
	@.venv/bin/python -m tests.soak $(if $(SEED),--seed $(SEED))

bench: $(BENCH) ## measure against the targets, rewrite docs/performance.*; QUICK=1 takes a minute and writes nothing
	@.venv/bin/python -m benchmarks $(if $(QUICK),--quick)

oldest: $(DEV) $(OLDEST) ## the pack's tests on the oldest boto3 it supports
	@.venv/bin/python tools/check.py oldest

validate: $(DEV) $(SDK) ## demisto-sdk validate and xsoar-lint, and whether the READMEs are current
	@.venv/bin/python tools/check.py validate

pack: $(ZIP) ## dist/AWSSNSSMSCommunication.zip, for the server's upload
	@echo "$(ZIP) is what the server's upload takes."

$(ZIP): $(SDK) $(shell find $(PACK) -type f -not -name '*.pyc' -not -name '*_test.py')
	@rm -rf dist && mkdir dist
	@.venv-sdk/bin/python tools/sdk.py prepare-content -i $(PACK) -o dist

docs: $(DEV) $(SDK) ## rewrite the READMEs from the YAML and examples that are run, and draw the playbooks
	@.venv/bin/python tools/draw_playbooks.py
	@.venv/bin/python -m tools.docs write

constraints: ## today's version of everything, into constraints*.txt
	@$(PYTHON) -m venv --clear .venv-uv && .venv-uv/bin/python -m pip install -qq uv
	@.venv-uv/bin/python tools/freeze.py

clean: ## remove what the other targets made
	rm -rf .venv .venv-oldest .venv-sdk .venv-uv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Two at a time: on two cores half of it is waiting for the package index.
tools:
	@$(MAKE) --no-print-directory -j 2 $(DEV) $(SDK) $(OLDEST) $(ZIP)

$(DEMO): constraints.txt pyproject.toml tools/venv.sh
	@tools/venv.sh .venv demo constraints.txt $(PYTHON) 13

$(DEV): $(DEMO)
	@tools/venv.sh .venv dev constraints.txt $(PYTHON) 13

$(BENCH): $(DEMO)
	@tools/venv.sh .venv bench constraints.txt $(PYTHON) 13

$(OLDEST): constraints-oldest.txt pyproject.toml tools/venv.sh
	@tools/venv.sh .venv-oldest oldest constraints-oldest.txt $(PYTHON) 13

# The SDK runs on 3.9 to 3.12.
$(SDK): constraints-sdk.txt pyproject.toml tools/venv.sh
	@tools/venv.sh .venv-sdk sdk constraints-sdk.txt $(SDK_PYTHON) 12
