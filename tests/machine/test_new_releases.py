"""Releases that follow each other on a machine, as the running bot shows them."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.desk import Desk
from tests.conftest import STAND_IN
from tests.issue_486.hosts import Bot

if TYPE_CHECKING:
    from tests.testbed.machines import Machine

pytestmark = pytest.mark.later("kinds of sources, off the whole way")

SUITE = "bookworm"
CURRENT = "/opt/kai/current"
TEMPLATE = "templates/.claude/CLAUDE.md"


@pytest.fixture(scope="module")
def bot(machine: "Machine") -> Bot:
    """The machine's bot; root's files are for root alone unless something is done about it."""
    machine.run(["tee", "/root/.bashrc"], input="umask 0077\n")
    return Bot(machine)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the stand-in bot."""
    place = tmp_path_factory.mktemp("source") / "kai"
    shutil.copytree(STAND_IN, place, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    (place / "src/kai/removed.py").write_text("")
    for command in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", *command], cwd=place, check=True)
    return place


@pytest.fixture(scope="module")
def desk(bot: Bot, source: Path) -> Iterator[Desk]:
    """A desk from which the bot was installed once."""
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        desk = Desk(Path(directory), source)
        hosts = {"bot": bot.machine.inventory_entry()}
        desk.write("inventory/hosts.yml", {"all": {"hosts": hosts}})
        desk.given(desk.answers(AGENT_BACKEND="codex"))
        desk.install()
        yield desk


def imports(bot: Bot, module: str) -> bool:
    command = [f"{CURRENT}/venv/bin/python", "-c", f"import {module}"]
    return bot.machine.run(command, user="kai", check=False).returncode == 0


def test_f6_the_service_user_runs_what_a_shell_with_umask_077_built(desk: Desk, bot: Bot) -> None:
    assert imports(bot, "kai.__main__")
    assert bot.machine.run(["cat", f"{CURRENT}/{TEMPLATE}"], user="kai").stdout


def test_g1_g2_g4_the_bot_runs_what_the_source_has(desk: Desk, bot: Bot, source: Path) -> None:
    first = bot.health()
    assert ": unchanged" in desk.install()
    assert bot.health()["pid"] == first["pid"]
    assert imports(bot, "kai.removed")
    with (source / TEMPLATE).open("a") as template:
        template.write("One line more.\n")
    (source / "src/kai/removed.py").unlink()
    # what an earlier build left in the checkout
    (source / "build/lib/kai").mkdir(parents=True)
    (source / "build/lib/kai/removed.py").write_text("")
    desk.install()
    second = bot.health()
    assert second["release"] != first["release"]
    shown = bot.machine.run(["readlink", CURRENT]).stdout.strip()
    assert shown.endswith(f"/{second['release']}")
    assert bot.read(f"{CURRENT}/{TEMPLATE}") == (source / TEMPLATE).read_text()
    assert not imports(bot, "kai.removed")


def test_g5_a_release_whose_interpreter_is_gone_is_replaced_by_one_that_runs(
    desk: Desk, bot: Bot
) -> None:
    before = bot.health()
    broken = f"/opt/kai/releases/{before['release']}"
    bot.machine.run(["ln", "-sfn", "/usr/bin/python3.0", f"{broken}/venv/bin/python"])
    place = desk.host_vars("bot") / "kai.yml"
    settings = place.read_text(encoding="utf-8")
    # a build that fails leaves the bot alone that still runs from there
    place.write_text(f"{settings}\nkai_install_index_url: file:///nowhere\n", encoding="utf-8")
    failed = desk.run("install")
    assert failed.returncode == 1
    assert "installing Kai failed: " in failed.stdout + failed.stderr
    assert bot.health()["pid"] == before["pid"]
    assert bot.machine.run(["ls", f"{broken}/.complete"]).stdout
    assert "-2" not in bot.machine.run(["ls", "--almost-all", "/opt/kai/releases"]).stdout
    place.write_text(settings, encoding="utf-8")
    desk.install()
    after = bot.health()
    assert after["release"] == f"{before['release']}-2"
    assert imports(bot, "kai")
    assert ": unchanged" in desk.install()
