# One line per target; kai-ansible does the work. Options: host=NAME inventory=PATH args="...".
# `make install CODEX_BIN=/path` sets a value once; it is kept in host_vars.

VENV := .venv
# printed commands are targets of make then
KAI = KAI_ANSIBLE_BY_MAKE=1 $(VENV)/bin/kai-ansible
TARGET = $(host) $(if $(inventory),--inventory $(inventory)) $(args)
BINARIES := $(sort $(shell sed -n 's/^ *\([A-Z_]*_BIN\):.*/\1/p' roles/kai_install/vars/*.yml roles/kai_install/vars/lines/*.yml))
GIVEN = $(foreach key,$(BINARIES),$(if $($(key)),--set "$(key)=$$$(key)"))
export $(BINARIES)
# a checkout, or a git URL with KAI_VERSION
export KAI_SOURCE KAI_VERSION

# exit code 3 is a finding: at a terminal, do not let make print an error for it
FOUND = || { code=$$?; [ $$code = 3 ] && [ -t 1 ] || exit $$code; }

# through sudo, create files in the operator's tree as the operator
AS_OPERATOR = $(if $(SUDO_USER),runuser -u $(SUDO_USER) --)
ifdef SUDO_USER
export PYTHONDONTWRITEBYTECODE = 1
endif

# CI sets it to fail where a host cannot run machines
MACHINES_OR_NOT = || [ -z "$$KAI_TESTBED_REQUIRED" ]
PROCESSORS := $(shell getconf _NPROCESSORS_ONLN)
# directories that need machines; the loop does not even collect them
OF_MACHINES = collection demo issue_486 machine molecule real
# pytest keeps the tests that it has rewritten, or each of its workers rewrites all of them
PYTEST = $(if $(SUDO_USER),,env -u PYTHONDONTWRITEBYTECODE) $(VENV)/bin/python -m pytest --dist loadfile --numprocesses

.PHONY: help config install upgrade check backup restore logins logs restart settings show doctor migrate rollback status uninstall users demo test test-fast test-all test-slice test-real testbed molecule lint sanity-all release-check docs generate interface lock bench scale clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

config: $(VENV)/.ready ## Ask for the configuration and write host_vars
	@$(KAI) config $(TARGET) $(GIVEN)

install: $(VENV)/.ready ## Configure the host as host_vars say, and verify the bot
	@$(KAI) install $(if $(DRY_RUN),--check) $(TARGET) $(GIVEN)

upgrade: $(VENV)/.ready ## Install another version of Kai: make upgrade ref=v2.0.0
	@$(KAI) upgrade $(if $(source),--source $(source)) $(if $(ref),--ref $(ref)) $(if $(DRY_RUN),--check) $(TARGET)

check: $(VENV)/.ready ## Show what install would change
	@$(KAI) install --check $(TARGET) $(GIVEN)

backup: $(VENV)/.ready ## Write configuration, users and data to one encrypted file
	@$(KAI) backup $(TARGET)

restore: $(VENV)/.ready ## Restore a backup: make restore from=backups/bot.kai
	@$(KAI) restore $(from) $(TARGET)

logins: $(VENV)/.ready ## List the missing agent logins
	@$(KAI) logins $(TARGET) $(FOUND)

logs: $(VENV)/.ready ## Print the log of the bot: make logs args="--follow"
	@$(KAI) logs $(TARGET)

restart: $(VENV)/.ready ## Restart the bot, and wait until it answers
	@$(KAI) restart $(TARGET)

settings: $(VENV)/.ready ## Print the settings, or one: make settings key=AGENT_BACKEND
	@$(KAI) settings $(key) $(TARGET)

migrate: $(VENV)/.ready ## Update host_vars to the current version of the contract
	@$(KAI) migrate $(TARGET)

rollback: $(VENV)/.ready ## Restore an earlier install: make rollback to=3; args=--list lists them
	@$(KAI) rollback $(if $(to),--to $(to)) $(TARGET)

uninstall: $(VENV)/.ready ## Remove what installs created; keep the data unless args=--purge
	@$(KAI) uninstall $(TARGET)

status: $(VENV)/.ready ## Show what is installed, and whether it is healthy
	@$(KAI) status $(TARGET) $(FOUND)

doctor: $(VENV)/.ready ## Find out why a bot is silent
	@$(KAI) doctor $(TARGET) $(FOUND)

show: $(VENV)/.ready ## Print a bug report, without secrets and users
	@$(KAI) show $(TARGET)

users: $(VENV)/.ready ## List and change users: make users args="list"
	@$(KAI) users $(args)

demo: $(VENV)/.ready ## Install the stand-in bot into a throwaway container
	@tests/testbed/prepare && $(VENV)/bin/python -m tools.demo $(args)

test: $(VENV)/.ready-dev ## Linters and the tests of every change, on real machines: ten to twenty minutes
	@$(MAKE) --no-print-directory --jobs=2 lint testbed
	@$(PYTEST) $$((2 * $(PROCESSORS))) -m "not later" --durations=10 $(args)

test-fast: $(VENV)/.ready-dev ## The loop: no containers, 45 seconds
	@$(PYTEST) $(PROCESSORS) -m "not machine and not slow and not later" --hypothesis-profile=loop $(OF_MACHINES:%=--ignore=tests/%) $(args)

test-all: $(VENV)/.ready-dev ## Every test, with every matrix: one to two hours
	@$(MAKE) --no-print-directory --jobs=2 lint testbed
	@$(PYTEST) $$(($(PROCESSORS) + 1)) --durations=10 $(args)

test-slice: $(VENV)/.ready-dev ## Run what make test leaves out, as time allows: until=EPOCH slice=COMMIT
	@$(PYTEST) $$(($(PROCESSORS) + 1)) --slice $(slice) --until $(until) $(args)

testbed: $(VENV)/.ready-dev ## Install podman and build the image of the machines
	@tests/testbed/prepare && $(VENV)/bin/python -m tests.testbed image >/dev/null $(MACHINES_OR_NOT)

test-real: $(VENV)/.ready-dev ## Install a real Kai and talk to it: make test-real KAI_SOURCE=PATH
	@$(if $(KAI_SOURCE)$(KAI_SOURCE_1),tests/testbed/prepare)
	@$(VENV)/bin/python -m pytest tests/real -v --no-header $(args)

molecule: $(VENV)/.ready-dev ## Run a Molecule scenario: make molecule scenario=adopt
	@tests/testbed/prepare
	@$(VENV)/bin/python -m tools.scenario $(or $(scenario),default)

lint: $(VENV)/.ready-dev ## Every linter, zero warnings
	@$(VENV)/bin/python -m tools.lint

sanity-all: $(VENV)/.ready-dev ## ansible-test sanity with each supported ansible-core and Python
	@$(VENV)/bin/python -m tools.sanity

release-check: $(VENV)/.ready-dev ## Check the release; args="--output dist" keeps the packages
	@$(VENV)/bin/python -m tools.release $(args)

generate: $(VENV)/.ready-dev ## Write the files generated from the contract and the commands
	@$(VENV)/bin/python -m tools.generate
	@$(VENV)/bin/python -m tools.manual
	@$(VENV)/bin/python -m tools.later
	@$(VENV)/bin/python -m tools.schemas
	@$(VENV)/bin/python -m tools.errors_page

docs: $(VENV)/.ready-dev ## Build the documents as a site in .cache/site
	@[ -x .cache/docs/bin/mkdocs ] || $(VENV)/bin/uv venv --quiet .cache/docs
	@$(VENV)/bin/uv pip install --quiet --python .cache/docs/bin/python --require-hashes --requirement requirements-docs.txt
	@NO_MKDOCS_2_WARNING=1 .cache/docs/bin/mkdocs build --strict --quiet

interface: $(VENV)/.ready-dev ## Record the public interface after a deliberate change of it
	@$(VENV)/bin/python -m tools.interface

lock: $(VENV)/.ready-dev ## Update requirements-dev.txt to the newest packages
	@$(VENV)/bin/python -m tools.lock

bench: $(VENV)/.ready-dev ## Measure runs: docs/performance.md; args=--quick
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
