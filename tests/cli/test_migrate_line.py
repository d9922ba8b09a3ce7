"""``migrate --to``: host_vars of Kai 1 become those of Kai 2, or stay as they are."""

import json
import subprocess
from typing import Any

import pytest

from kai_ansible.rules.contract_changes import CONTRACT_VERSION
from tests.cli.desk import Desk
from tests.unit.samples import TOKEN

pytestmark = pytest.mark.later(
    "host_vars go to another line once; tests/unit/test_line_migration.py judges the rules",
    apart=True,
)

SOURCE = "/src/kai"
OLD = f"""\
{CONTRACT_VERSION}: 1
kai_install_source: {SOURCE}   # ours
kai_install_users:
  # the boss
  - telegram_id: 1
    name: Ada
    role: admin
    os_user: alice
    agent_backend: codex   # fast
    max_budget: 5
  - {{telegram_id: 2, name: "Ben B", github: ben}}
kai_install_agent_backend: claude  # for all
kai_install_claude_user: alice
kai_install_budget_ceiling: 10
kai_install_pr_review_enabled: true
# the end
"""
NEW = f"""\
{CONTRACT_VERSION}: 1
kai_install_source: {SOURCE}   # ours
kai_install_users:
  # the boss
  - telegram_id: 1
    name: Ada
    role: admin
    os_user: alice
    backend: "codex"
    pr_review: true
  - {{telegram_id: 2, name: "Ben B", github: ben, os_user: "bob", pr_review: true}}
kai_install_default_backend: claude  # for all
# the end
kai_install_release: "2"
"""
TO_2 = ("migrate", "--to", "2", "--os-user", "Ben B=bob")


@pytest.fixture
def of_kai_1(desk: Desk) -> Desk:
    """A desk with host_vars of Kai 1 in which a user has no OS user."""
    desk.given(desk.answers())
    (desk.host_vars() / "kai.yml").write_text(OLD, encoding="utf-8")
    return desk


def kai_yml(desk: Desk) -> str:
    return (desk.host_vars() / "kai.yml").read_text(encoding="utf-8")


def problems(done: subprocess.CompletedProcess[str]) -> list[dict[str, str]]:
    """What a refused command says to a program."""
    assert done.returncode == 2, done.stdout + done.stderr
    found: list[dict[str, str]] = json.loads(done.stdout)["problems"]
    return found


def test_host_vars_become_those_of_kai_2(of_kai_1: Desk) -> None:
    secret = of_kai_1.secrets()["kai_install_webhook_secret"]
    before = of_kai_1.tree()
    shown = of_kai_1.run(*TO_2, "--check")
    assert shown.returncode == 0, shown.stderr
    for words in (
        "localhost: to Kai 2",
        "kai_install_agent_backend becomes kai_install_default_backend",
        "kai_install_claude_user is removed: Kai does not read it, without a word",
        "kai_install_users[0].max_budget is removed",
        "/webhook/github",
        "set kai_install_source to a source of Kai: main of 14 August 2026",
    ):
        assert words in " ".join(shown.stdout.split())
    assert of_kai_1.tree() == before

    done = of_kai_1.run(*TO_2, "--yes")
    assert done.returncode == 0, done.stderr
    assert kai_yml(of_kai_1) == NEW
    secrets = of_kai_1.secrets()
    made = [secrets[f"kai_install_{name}_webhook_secret"] for name in ("github", "generic")]
    assert len({secret, *made}) == 3
    assert "kai_install_webhook_secret" not in secrets
    for text in (secret, *made):
        assert text not in done.stdout + shown.stdout


def test_a_second_migration_writes_nothing(of_kai_1: Desk) -> None:
    assert of_kai_1.run(*TO_2, "--yes").returncode == 0
    after = of_kai_1.tree()
    again = of_kai_1.run("migrate", "--to", "2", "--yes", "--json")
    assert again.returncode == 0, again.stderr
    told = json.loads(again.stdout)
    assert told["files"] == []
    assert told["hosts"]["localhost"]["line"] == {"to": "2", "changes": [], "notes": []}
    assert of_kai_1.tree() == after


def test_without_a_terminal_what_is_missing_is_named_and_nothing_is_written(of_kai_1: Desk) -> None:
    before = of_kai_1.tree()
    [problem] = problems(of_kai_1.run("migrate", "--to", "2", "--yes", "--json"))
    assert problem["where"] == "kai_install_users[1].os_user"
    assert problem["fix"] == "add --os-user 'Ben B=ACCOUNT'"
    assert of_kai_1.tree() == before


@pytest.mark.parametrize(
    ("arguments", "where", "words"),
    [
        (("--to", "3"), "--to", "'3'"),
        (("--to", "1"), "--to", "'1'"),
        (("--to", "2", "--os-user", "Ada=bob"), "--os-user", "'Ada'"),
        (("--to", "2", "--os-user", "Ben B=ROOT"), "--os-user", "alias"),
        (("--to", "2", "--os-user", "Ben B=alice"), "kai_install_users[1].os_user", "alice"),
        (("--to", "2", "--os-user", "Ben B=kai"), "kai_install_users[1].os_user", "service user"),
        (("--os-user", "Ben B=bob"), "--os-user", "no --to"),
    ],
)
def test_bad_input_changes_nothing(
    of_kai_1: Desk, arguments: tuple[str, ...], where: str, words: str
) -> None:
    before = of_kai_1.tree()
    [problem] = problems(of_kai_1.run("migrate", *arguments, "--yes", "--json"))
    assert problem["where"] == where
    assert words in problem["found"]
    assert of_kai_1.tree() == before


def test_nothing_goes_back_to_an_earlier_line(of_kai_1: Desk) -> None:
    assert of_kai_1.run(*TO_2, "--yes").returncode == 0
    [problem] = problems(of_kai_1.run("migrate", "--to", "2.0", "--yes", "--json"))
    assert problem["where"] == "localhost: kai_install_release"


def test_a_person_is_asked_for_the_os_user(of_kai_1: Desk) -> None:
    child = of_kai_1.spawn("migrate", "--to", "2")
    child.expect("OS user of Ben B")
    child.sendline("")
    child.expect("It is empty")
    child.sendline("bob")
    child.expect("Change these files")
    child.sendline("y")
    child.read()
    child.close()
    assert child.exitstatus == 0
    assert kai_yml(of_kai_1) == NEW


def host(desk: Desk, name: str, **variables: Any) -> None:
    """Write the kai.yml of a host that has everything but what its group has."""
    own = {"kai_install_source": SOURCE, "kai_install_telegram_bot_token": TOKEN, **variables}
    own["kai_install_users"] = [{"telegram_id": 1, "name": "Ada", "os_user": "alice"}]
    desk.write(f"inventory/host_vars/{name}/kai.yml", own)


def test_the_file_of_a_group_is_edited_for_all_its_hosts_or_not_at_all(desk: Desk) -> None:
    desk.write("inventory/hosts.yml", {"all": {"hosts": {"one": None, "two": None}}})
    shared = desk.write(
        "inventory/group_vars/all.yml",
        "kai_install_agent_backend: codex # all\nkai_install_webhook_secret: of-all\n",
    )
    host(desk, "one")
    host(desk, "two")
    before = desk.tree()
    [problem] = problems(desk.run("migrate", "one", "--to", "2", "--yes", "--json"))
    assert problem["where"] == "inventory/group_vars/all.yml"
    assert "two" in problem["found"]
    assert desk.tree() == before

    done = desk.run("migrate", "all", "--to", "2", "--yes")
    assert done.returncode == 0, done.stderr
    assert shared.read_text(encoding="utf-8") == "kai_install_default_backend: codex # all\n"
    one, two = desk.secrets("one"), desk.secrets("two")
    assert one.keys() == two.keys()
    assert not set(one.values()) & set(two.values())


def test_users_that_a_template_gives_are_left_to_the_operator(of_kai_1: Desk) -> None:
    text = OLD.replace("agent_backend: codex", 'agent_backend: "{{ fast }}"')
    (of_kai_1.host_vars() / "kai.yml").write_text(text + "fast: codex\n", encoding="utf-8")
    before = of_kai_1.tree()
    [problem] = problems(of_kai_1.run(*TO_2, "--yes", "--json"))
    assert problem["found"] == "a template"
    assert of_kai_1.tree() == before
