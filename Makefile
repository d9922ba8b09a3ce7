# One line per verb; kai-ansible does the work. Options: host=NAME inventory=PATH args="...".
# `make install CODEX_BIN=/path` gives a setting once; it is kept in host_vars.

VENV := .venv
KAI = $(VENV)/bin/kai-ansible
TARGET = $(host) $(if $(inventory),--inventory $(inventory)) $(args)
GIVEN = $(foreach key,CODEX_BIN CLAUDE_BIN GOOSE_BIN,$(if $($(key)),--set "$(key)=$$$(key)"))
export CODEX_BIN CLAUDE_BIN GOOSE_BIN
# a checkout, or a git URL with KAI_VERSION
export KAI_SOURCE KAI_VERSION

# through sudo, what is made in the operator's tree is made as the operator
AS_OPERATOR = $(if $(SUDO_USER),runuser -u $(SUDO_USER) --)
ifdef SUDO_USER
export PYTHONDONTWRITEBYTECODE = 1
endif

# CI sets it, so that nothing is left out unseen where a host runs no machines
MACHINES_OR_NOT = || [ -z "$$KAI_TESTBED_REQUIRED" ]
PROCESSORS := $(shell getconf _NPROCESSORS_ONLN)
PYTEST = $(VENV)/bin/python -m pytest --dist loadfile --numprocesses

.PHONY: help config install check backup restore logins show doctor migrate rollback status uninstall users demo test test-fast test-all test-slice test-real testbed molecule lint sanity-all release-check generate lock bench scale clean

help: ## Show the verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

config: $(VENV)/.ready ## Ask what must be known and write host_vars
	@$(KAI) config $(TARGET) $(GIVEN)

install: $(VENV)/.ready ## Bring the host to what host_vars say, and prove it
	@$(KAI) install $(if $(DRY_RUN),--check) $(TARGET) $(GIVEN)

check: $(VENV)/.ready ## Say what install would change
	@$(KAI) install --check $(TARGET) $(GIVEN)

backup: $(VENV)/.ready ## Put configuration, people and data into one encrypted file
	@$(KAI) backup $(TARGET)

restore: $(VENV)/.ready ## Bring a backup back: make restore from=backups/bot.kai
	@$(KAI) restore $(from) $(TARGET)

logins: $(VENV)/.ready ## Say who still has to log in to an agent
	@$(KAI) logins $(TARGET)

migrate: $(VENV)/.ready ## Bring host_vars of an earlier version of the contract to today's
	@$(KAI) migrate $(TARGET)

rollback: $(VENV)/.ready ## Bring an earlier install back: make rollback to=3
	@$(KAI) rollback $(if $(to),--to $(to)) $(TARGET)

uninstall: $(VENV)/.ready ## Remove what installs made; the data stays: args=--purge takes it
	@$(KAI) uninstall $(TARGET)

status: $(VENV)/.ready ## Say what is installed, and whether it is well
	@$(KAI) status $(TARGET)

doctor: $(VENV)/.ready ## Say why a bot is silent, and what mends it
	@$(KAI) doctor $(TARGET)

show: $(VENV)/.ready ## Print what a bug report needs, without secrets and people
	@$(KAI) show $(TARGET)

users: $(VENV)/.ready ## List and change people: make users args="list"
	@$(KAI) users $(args)

demo: $(VENV)/.ready ## Install the stand-in bot into a throwaway container
	@tests/testbed/prepare && $(VENV)/bin/python -m tools.demo $(args)

test: $(VENV)/.ready-dev ## Linters and the tests of every change, on real machines: ten minutes
	@$(MAKE) --no-print-directory --jobs=2 lint testbed
	@$(PYTEST) $$(($(PROCESSORS) + 1)) -m "not later" --durations=10 $(args)

test-fast: $(VENV)/.ready-dev ## The loop: no containers, under a minute
	@$(PYTEST) $$((2 * $(PROCESSORS))) -m "not machine and not slow and not later" $(args)

test-all: $(VENV)/.ready-dev ## Everything, every matrix whole: up to an hour
	@$(MAKE) --no-print-directory --jobs=2 lint testbed
	@$(PYTEST) $$(($(PROCESSORS) + 1)) --durations=10 $(args)

test-slice: $(VENV)/.ready-dev ## Of what make test leaves out as much as fits: until=EPOCH slice=COMMIT
	@$(PYTEST) $$(($(PROCESSORS) + 1)) -m later --slice $(slice) --until $(until) $(args)

testbed: $(VENV)/.ready-dev ## Install podman and build the image of the machines
	@tests/testbed/prepare && $(VENV)/bin/python -m tests.testbed image >/dev/null $(MACHINES_OR_NOT)

test-real: $(VENV)/.ready-dev ## Install a real Kai and talk to it: make test-real KAI_SOURCE=PATH
	@$(if $(KAI_SOURCE),tests/testbed/prepare)
	@$(VENV)/bin/python -m pytest tests/real -v --no-header $(args)

molecule: $(VENV)/.ready-dev ## Run a Molecule scenario: make molecule scenario=adopt
	@tests/testbed/prepare
	@$(VENV)/bin/python -m tools.scenario $(or $(scenario),default)

lint: $(VENV)/.ready-dev ## Every linter, zero warnings
	@$(VENV)/bin/python -m tools.lint

sanity-all: $(VENV)/.ready-dev ## ansible-test sanity with each supported ansible-core and Python
	@$(VENV)/bin/python -m tools.sanity

release-check: $(VENV)/.ready-dev ## Say what is in the way of a release; args="--output dist" keeps it
	@$(VENV)/bin/python -m tools.release $(args)

generate: $(VENV)/.ready-dev ## Write what is generated from the contract and the commands
	@$(VENV)/bin/python tools/generate.py
	@$(VENV)/bin/python -m tools.manual
	@$(VENV)/bin/python -m tools.later

lock: $(VENV)/.ready-dev ## Choose anew what development installs: requirements-dev.txt
	@$(VENV)/bin/python -m tools.lock

bench: $(VENV)/.ready-dev ## Measure runs beside floors: docs/performance.md; args=--quick
	@tests/testbed/prepare && $(VENV)/bin/python -m tools.bench $(args)
	@$(if $(args),,$(VENV)/bin/python -m tools.performance)

scale: $(VENV)/.ready-dev ## Measure a controller with up to a hundred hosts
	@tests/testbed/prepare && $(VENV)/bin/python -m tools.bench --scale
	@$(VENV)/bin/python -m tools.performance

clean: ## Remove what make and the tests made here
	@rm -rf .cache $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.ready: pyproject.toml galaxy.yml
	@$(AS_OPERATOR) tools/make-venv $(VENV)

$(VENV)/.ready-dev: pyproject.toml galaxy.yml requirements-dev.txt
	@$(AS_OPERATOR) tools/make-venv $(VENV) dev
