"""host_vars of an earlier version: who refuses them, and what ``migrate`` makes of them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from kai_ansible.rules.contract_changes import CONTRACT_VERSION, migrated
from tests.cli.desk import Desk, Wizard
from tests.conftest import ROOT
from tests.later_contract import CHANGED, NEW_NAME, REMOVED, RENAMED, later, later_data

pytestmark = pytest.mark.later(
    "host_vars follow a contract once; tests/unit/test_contract_changes.py judges the rules",
    apart=True,
)

OLD = f"""\
kai_install_source: "/src/kai"   # ours
kai_install_users:
  - {{telegram_id: 1, name: Ada, role: admin, os_user: alice}}  # the boss
# how many we want back
{RENAMED}:   5  # a few
{REMOVED}: http://gpu
{CHANGED}: 60
# the end
"""
NEW = f"""\
kai_install_source: "/src/kai"   # ours
kai_install_users:
  - {{telegram_id: 1, name: Ada, role: admin, os_user: alice}}  # the boss
# how many we want back
{NEW_NAME}:   5  # a few
{CHANGED}: 60
# the end
{CONTRACT_VERSION}: 3
"""


@pytest.fixture(scope="module")
def later_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of this very code with a later contract."""
    root = tmp_path_factory.mktemp("later")
    caches = shutil.ignore_patterns("__pycache__")
    for name in ("kai_ansible", "roles"):
        shutil.copytree(ROOT / name, root / name, symlinks=True, ignore=caches)
    for name in ("galaxy.yml", "meta", "playbooks", "plugins"):
        (root / name).symlink_to(ROOT / name)
    path = root / "roles" / "kai_install" / "vars" / "kai_1.yml"
    path.write_text(yaml.safe_dump(later_data(), sort_keys=False), encoding="utf-8")
    return root


@pytest.fixture
def old(desk: Desk, later_checkout: Path) -> Desk:
    """A desk with host_vars of version 1 and a later kai-ansible."""
    desk.given(desk.answers())
    desk.variables["PYTHONPATH"] = str(later_checkout)
    put_kai_yml(desk, OLD)
    return desk


def put_kai_yml(desk: Desk, text: str, host: str = "localhost") -> None:
    """Write kai.yml as by hand; the source of the bot stands in it as /src/kai."""
    text = text.replace("/src/kai", str(desk.source))
    (desk.host_vars(host) / "kai.yml").write_text(text, encoding="utf-8")


def kai_yml(desk: Desk) -> str:
    text = (desk.host_vars() / "kai.yml").read_text(encoding="utf-8")
    return text.replace(str(desk.source), "/src/kai")


def problems(done: subprocess.CompletedProcess[str]) -> list[dict[str, str]]:
    """What a refused command says to a program."""
    assert done.returncode == 2, done.stdout + done.stderr
    found: list[dict[str, str]] = json.loads(done.stdout)["problems"]
    return found


@pytest.mark.parametrize(
    "command",
    [
        ("install", "--check"),
        ("config", "--no-input", "--no-probe", "--set", "WEBHOOK_PORT=8090"),
        ("users", "add", "--telegram-id", "2", "--name", "Ben", "--os-user", "bob"),
    ],
    ids=lambda command: command[0],
)
def test_a_command_refuses_them_and_lists_what_changed(old: Desk, command: tuple[str, ...]) -> None:
    before = old.tree()
    found = problems(old.run(*command, "--json"))
    assert [problem["where"] for problem in found] == [RENAMED, REMOVED, CHANGED]
    assert all("kai-ansible migrate" in problem["fix"] for problem in found)
    assert old.tree() == before


def test_the_wizard_refuses_them_before_its_first_question(old: Desk) -> None:
    # a fork of the tests has the contract of today
    wizard = Wizard(old.spawn("config", "--no-probe"))
    assert wizard.end() == 2
    assert wizard.asked == []
    assert f"inventory/host_vars/localhost/kai.yml: {RENAMED}" in wizard.transcript


def test_ansible_alone_refuses_them_in_the_same_words(
    old: Desk, later_checkout: Path, ansible_environment: dict[str, str], tmp_path: Path
) -> None:
    place = tmp_path / "collections" / "ansible_collections" / "kai"
    place.mkdir(parents=True)
    (place / "bot").symlink_to(later_checkout)
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            *("kai.bot.install", "--tags=kai_install_validate", "-i", str(old.inventory)),
            *("--vault-password-file", str(old.password_file), "-e", "ansible_become=false"),
        ],
        cwd=old.work,
        env={**ansible_environment, "ANSIBLE_COLLECTIONS_PATH": str(place.parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    told = migrated(later(), yaml.safe_load(OLD)).problems
    assert len(told) == 3
    assert [str(problem) for problem in told if str(problem) not in done.stdout] == []


def test_migrating_changes_what_it_shows_and_nothing_else(old: Desk) -> None:
    vault = (old.host_vars() / "vault.yml").read_bytes()
    before = old.tree()
    shown = old.run("migrate", "--check")
    assert shown.returncode == 0, shown.stderr
    for words in (
        "localhost: from version 1 to 3",
        f"{RENAMED} becomes {NEW_NAME}: releases that are kept",
        f"{REMOVED} is removed: goose finds",
        f"{CHANGED} keeps its value, which has another meaning now: the time",
        "inventory/host_vars/localhost/kai.yml",
    ):
        assert words in shown.stdout
    assert old.tree() == before
    done = old.run("migrate", "--yes")
    assert done.returncode == 0, done.stderr
    assert "Written: inventory/host_vars/localhost/kai.yml" in done.stdout
    assert done.stdout.endswith("Next:\n  kai-ansible install\n")
    assert kai_yml(old) == NEW
    assert (old.host_vars() / "vault.yml").read_bytes() == vault

    again = old.run("migrate", "--yes")
    assert "Nothing to write" in again.stdout
    assert kai_yml(old) == NEW
    assert old.run("config", "--no-input", "--no-probe").returncode == 0


@pytest.mark.parametrize(("answer", "text"), [("n", OLD), ("y", NEW)])
def test_a_person_is_asked(old: Desk, answer: str, text: str) -> None:
    child = old.spawn("migrate")
    child.expect("Change these files")
    child.sendline(answer)
    child.read()
    child.close()
    assert child.exitstatus == 0
    assert kai_yml(old) == text


def test_without_a_person_a_word_is_wanted(old: Desk) -> None:
    [problem] = problems(old.run("migrate", "--json"))
    assert "--yes" in problem["fix"]
    assert kai_yml(old) == OLD


def test_secrets_and_the_file_of_a_group_are_migrated_for_all_hosts(old: Desk) -> None:
    """A vault stays locked, and the hosts of a group share its file."""
    old.write("inventory/hosts.yml", {"all": {"hosts": {"one": None, "two": None}}})
    shared = old.write("inventory/group_vars/all.yml", f"# of all\n{RENAMED}: 5 # few\n")
    shared.chmod(0o640)
    for host in ("one", "two"):
        shutil.copytree(old.host_vars(), old.host_vars(host))
    put_kai_yml(old, OLD.replace(f"{RENAMED}:   5  # a few\n", ""), "one")
    (old.host_vars("two") / "kai.yml").unlink()
    vault = old.write("secrets.yml", {**old.secrets("two"), REMOVED: "gpu"})
    command = [str(Path(sys.executable).with_name("ansible-vault")), "encrypt", str(vault)]
    command += ["--vault-password-file", str(old.password_file)]
    subprocess.run(command, check=True, capture_output=True)
    vault.replace(old.host_vars("two") / "vault.yml")

    done = old.run("migrate", "all", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["hosts"]
    assert [change["variable"] for change in told["one"]["changes"]] == [RENAMED, REMOVED, CHANGED]
    assert [change["variable"] for change in told["two"]["changes"]] == [RENAMED, REMOVED]
    assert shared.stat().st_mode & 0o777 == 0o640
    assert shared.read_text(encoding="utf-8") == f"# of all\n{NEW_NAME}: 5 # few\n"
    assert REMOVED not in old.secrets("two")
    assert "kai_install_telegram_bot_token" in old.secrets("two")
    assert old.settings("two") == {CONTRACT_VERSION: 3}
    assert "Nothing to write" in old.run("migrate", "all", "--yes").stdout


def test_what_cannot_be_migrated_is_reported_whole_and_nothing_is_written(old: Desk) -> None:
    hosts = {"one": {REMOVED: "http://gpu"}, "two": {}, "three": {}}
    old.write("inventory/hosts.yml", {"all": {"hosts": hosts}})
    for host, variables in (
        ("one", {RENAMED: 5, NEW_NAME: 6}),
        ("two", {RENAMED: 5}),
        ("three", {CONTRACT_VERSION: 4}),
    ):
        old.write(f"inventory/host_vars/{host}/kai.yml", variables)
    before = old.tree()
    found = problems(old.run("migrate", "all", "--yes", "--json"))
    assert [problem["where"] for problem in found] == [
        f"one: {RENAMED}",
        f"one: {REMOVED}",
        f"three: {CONTRACT_VERSION}",
    ]
    assert old.tree() == before


def test_what_a_command_writes_has_the_version_and_what_is_as_it_was_keeps_its_own(
    desk: Desk,
) -> None:
    def config(*arguments: str) -> None:
        done = desk.run("config", "--no-input", "--no-probe", *arguments)
        assert done.returncode == 0, done.stderr

    desk.given(desk.answers())
    lines = kai_yml(desk).splitlines()
    assert next(line for line in lines if not line.startswith(("---", "#"))) == (
        f"{CONTRACT_VERSION}: 1"
    )
    without = "\n".join(line for line in lines if CONTRACT_VERSION not in line) + "\n"
    put_kai_yml(desk, without)
    config()
    assert kai_yml(desk) == without
    config("--set", "WEBHOOK_PORT=8090")
    values: dict[str, Any] = desk.settings()
    assert (values[CONTRACT_VERSION], values["kai_install_webhook_port"]) == (1, 8090)
