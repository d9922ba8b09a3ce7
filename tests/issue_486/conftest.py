"""Machines and desks for issue 486: one machine driven over ssh, one with an operator on it."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.desk import Desk, Wizard
from tests.conftest import STAND_IN
from tests.issue_486.hosts import Bot, Checkout
from tests.testbed import checkouts
from tests.testbed.machines import Machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.machine)


@pytest.fixture(scope="session")
def bot(machine_factory: Callable[..., Machine]) -> Bot:
    """The bot of a machine that is reached over ssh. It has a second codex in /opt/agents."""
    machine = machine_factory()
    machine.run(["install", "-d", "/opt/agents"])
    machine.run(["cp", "--no-dereference", "/usr/local/bin/codex", "/usr/local/bin/codex.link"])
    target = machine.run(["readlink", "--canonicalize", "/usr/local/bin/codex"]).stdout.strip()
    machine.run(["ln", "-s", target, "/opt/agents/codex"])
    return Bot(machine)


@contextmanager
def desk_for(bot: Bot) -> Iterator[Desk]:
    """Open a desk whose inventory has the bot's machine alone, without a bot before and after."""
    bot.remove()
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        desk = Desk(Path(directory), STAND_IN)
        hosts = {"bot": bot.machine.inventory_entry()}
        desk.write("inventory/hosts.yml", {"all": {"hosts": hosts}})
        yield desk
    bot.remove()


@pytest.fixture
def desk(bot: Bot) -> Iterator[Desk]:
    """A desk for a machine without a bot."""
    with desk_for(bot) as desk:
        yield desk


class Switch:
    """Bug 1, replayed once: claude with opus is installed, then the wizard gets codex.

    What it left is kept, so that several tests can look at it.
    """

    def __init__(self, bot: Bot, desk: Desk) -> None:
        desk.given(desk.answers(AGENT_BACKEND="claude", DEFAULT_MODEL="opus"))
        desk.install()
        self.env_before = bot.env()
        self.wizard: Wizard = desk.wizard("--plain")
        self.exit_code = self.wizard.go_on(AGENT_BACKEND="codex")
        self.settings = desk.settings("bot")
        self.output = desk.install()
        self.env, self.rules, self.health = bot.env(), bot.agent_rules(), bot.health()


@pytest.fixture(scope="session")
def switch(bot: Bot) -> Switch:
    """The switch from claude to codex, done."""
    with desk_for(bot) as desk:
        return Switch(bot, desk)


@pytest.fixture(scope="session")
def checkout(machine_factory: Callable[..., Machine]) -> Checkout:
    """A checkout in an operator's home, configured by `make config` for that very machine."""
    machine = machine_factory()
    found = Checkout(machine)
    checkouts.push(machine, found.directory, user="operator")
    found.configure()
    return found


class FirstInstall:
    """`sudo make install` on a fresh machine, with nothing in the environment."""

    def __init__(self, checkout: Checkout) -> None:
        done = checkout.make("install", sudo=True)
        assert done.returncode == 0, done.stdout + done.stderr
        self.env, self.rules = checkout.bot.env(), checkout.bot.agent_rules()
        self.owned_by_root = checkout.owned_by_root()


@pytest.fixture(scope="session")
def first_install(checkout: Checkout) -> FirstInstall:
    """The first install from the checkout, done."""
    return FirstInstall(checkout)
