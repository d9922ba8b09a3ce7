"""The commands below ``users``: what they show, what they refuse, and what stays in kai.yml."""

import json
import re
from pathlib import Path
from typing import Any

import pexpect
import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from kai_ansible.ansible.collection import contract
from kai_ansible.inventory.yaml_edit import (
    NotUnderstood,
    with_entry,
    with_fields,
    without_entry,
)
from kai_ansible.rules.yaml_text import yaml_text
from kai_ansible.secrets.vault_password import VaultPassword, read_password_file
from tests.cli.desk import Desk, exit_code, interrupt
from tests.read_in_process import variables as read_in_process

TEMPLATES = Path(__file__).parents[2] / "roles" / "kai_install" / "templates"
BEN = ("--telegram-id", "2", "--name", "Ben", "--os-user", "bob")
USERS = "kai_install_users"

KAI_YML = """\
kai_install_contract_version: 1
# mine, without three dashes
kai_install_users:   # the people
# ada comes first
- {telegram_id: 1,  name: Ada, role: admin, os_user: alice}   # the boss

-   telegram_id: 2
    name:   'Ben'  # quoted once
    # an account of his own
    os_user: bob
    github: ben-hub
    # about the hat
    hat: {colour: red}   # unknown to Kai
    notes: |
      two
      lines
# carol may leave
- telegram_id: 3
  name: Carol
  allowed_workspaces:
  - /srv/a   # the first
  - /srv/b
  os_user: carol
# the end of the people

kai_install_source: '/src/kai'
kai_install_memory_enabled: yes   # as Ansible reads it
"""


@pytest.fixture
def team(desk: Desk) -> Desk:
    """A desk with Ada, the admin, alone."""
    desk.given(desk.answers())
    return desk


@pytest.fixture
def crowd(team: Desk) -> Desk:
    """A desk whose kai.yml was written by hand."""
    (team.host_vars() / "kai.yml").write_text(KAI_YML, encoding="utf-8")
    return team


def kai_yml(desk: Desk) -> str:
    return (desk.host_vars() / "kai.yml").read_text(encoding="utf-8")


def people_of(desk: Desk) -> list[dict[str, Any]]:
    """Return the people as Ansible gives them to the role."""
    password = VaultPassword(read_password_file(desk.password_file), desk.password_file)
    users: list[dict[str, Any]] = read_in_process(desk.inventory, "localhost", password)[USERS]
    return users


def done(desk: Desk, *arguments: str) -> str:
    """Do a command below ``users`` that has to succeed, and return what it printed."""
    result = desk.call("users", *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def refused(desk: Desk, *arguments: str) -> str:
    """Run a command that must be refused and change nothing, and return why."""
    before = desk.tree()
    result = desk.call("users", *arguments)
    assert result.returncode == 2, result.stdout + result.stderr
    assert desk.tree() == before
    return result.stderr


# list


def test_everybody_is_listed_with_what_they_get(team: Desk) -> None:
    done(team, "add", *BEN, "--set", "agent_backend=codex")
    done(team, "add", "--telegram-id", "3", "--name", "Cem", "--set", "model=opus")
    assert team.run("users", "list").stdout == (
        "Users of localhost:\n"
        "  Name  Telegram ID  Role   OS user                 Backend  Provider   Model    From\n"
        "  Ada   1            admin  alice                   claude   anthropic  sonnet   "
        "all users\n"
        "  Ben   2            user   bob                     codex    openai     gpt-5.5  "
        "the backend's default\n"
        "  Cem   3            user   kai (the service user)  claude   anthropic  opus     "
        "the user\n"
    )
    listed = json.loads(done(team, "list", "--json"))["hosts"]["localhost"]
    assert listed["problems"] == []
    assert listed["users"][1] == {
        "telegram_id": 2,
        "name": "Ben",
        "role": "user",
        "os_user": "bob",
        "backend": "codex",
        "provider": "openai",
        "model": "gpt-5.5",
        "model_from": "default",
        "profile_id": None,
    }


def test_a_wrong_configuration_is_listed_with_what_is_wrong(crowd: Desk) -> None:
    text = kai_yml(crowd).replace("os_user: bob", "os_user: root")
    (crowd.host_vars() / "kai.yml").write_text(text, encoding="utf-8")
    assert "kai_install_users[1].os_user" in done(crowd, "list")


# add


def test_add_says_who_has_to_log_in_and_what_comes_next(team: Desk) -> None:
    said = done(team, "add", *BEN, "--set", "agent_backend=codex")
    assert "sudo -iu bob codex login" in said
    assert "alice" not in said
    assert said.endswith("Next:\n  kai-ansible install\n")
    assert team.settings()[USERS][1] == {
        "telegram_id": 2,
        "name": "Ben",
        "os_user": "bob",
        "agent_backend": "codex",
    }


VALUES: list[tuple[str, Any]] = [
    ("role=ADMIN", "admin"),
    ("github=0123", "0123"),
    ("home_workspace=/srv/ben", "/srv/ben"),
    ("max_budget=2.5", 2.5),
    ("agent_backend=goose", "goose"),
    ("llm_provider=ollama", "ollama"),
    ("model=a=b", "a=b"),
    ("timeout=60", 60),
    ("context_window=0", 0),
    ("workspace_base=/srv", "/srv"),
    ("allowed_workspaces=/srv/a, /srv/b", ["/srv/a", "/srv/b"]),
    ("github_repos=kai/bot", ["kai/bot"]),
    ("github_notify_chat_id=-5", -5),
    ("pr_review=yes", True),
    ("issue_triage=false", False),
]


def test_every_field_can_be_given(team: Desk) -> None:
    words = [word for assignment, _ in VALUES for word in ("--set", assignment)]
    done(team, "add", *BEN, *words)
    user = team.settings()[USERS][1]
    assert {
        name: user[name] for name in user if name not in ("telegram_id", "name", "os_user")
    } == {assignment.partition("=")[0]: value for assignment, value in VALUES}
    assert list(user) == list(contract().user_fields)


def test_all_problems_are_reported_at_once(team: Desk) -> None:
    told = refused(
        team,
        *("add", "--telegram-id", "1", "--os-user", "root", "--set", "modle=x"),
        *("--set", "timeout=soon", "--set", "agent_backend=codex", "--set", "model=opus"),
    )
    for words in (
        "--name",
        "did you mean model?",
        "1, which Ada (kai_install_users[0]) has too",
        "is the superuser",
        "--set timeout",
        "--os-user",
        "fix:      give --telegram-id another value",
        "Nothing was written.",
    ):
        assert words in told
    # nobody wrote such an entry
    assert "kai_install_users[1]" not in told
    assert "6. " not in told


def test_a_pair_that_cannot_be_is_refused(team: Desk) -> None:
    told = refused(team, "add", *BEN, "--set", "agent_backend=codex", "--set", "model=opus")
    assert "'opus', which codex does not have" in told


def test_what_is_needed_is_asked_at_a_terminal(team: Desk) -> None:
    child = team.spawn("users", "add", "--set", "agent_backend=codex")
    child.expect(r"Telegram ID \(\? for help\): ")
    child.sendline("1")
    child.expect("Ada has this ID")
    child.sendline("007")
    child.expect("without leading zeros")
    child.sendline("7")
    child.expect(r"Display name \(\? for help\)")
    child.sendline("Ben")
    child.expect(r"OS user \(.*\): ")
    child.sendline("")
    child.expect("Next:")
    child.expect(pexpect.EOF)
    assert exit_code(child) == 0
    assert team.settings()[USERS][1] == {"telegram_id": 7, "name": "Ben", "agent_backend": "codex"}


def test_nothing_is_asked_when_everything_needed_is_given(team: Desk) -> None:
    child = team.dialog("users", "add", "--telegram-id", "7", "--name", "Ben")
    child.expect(pexpect.EOF)
    assert "Next:" in child.before
    assert exit_code(child) == 0


def test_an_abort_writes_nothing(team: Desk) -> None:
    before = team.tree()
    child = team.dialog("users", "add")
    child.expect(r"Telegram ID \(\? for help\): ")
    child.sendline("7")
    child.expect(r"Display name \(\? for help\)")
    interrupt(child)
    assert exit_code(child) == 130
    assert team.tree() == before


# edit and remove


def test_edit_touches_the_lines_of_its_field_only(crowd: Desk) -> None:
    done(
        crowd,
        *("edit", "Ben", "--set", "github=", "--set", "os_user=ben", "--set", "timeout=60"),
    )
    assert kai_yml(crowd) == KAI_YML.replace("    github: ben-hub\n", "").replace(
        "os_user: bob", 'os_user: "ben"'
    ).replace("      lines\n", "      lines\n    timeout: 60\n")


def test_edit_shows_what_it_changed(crowd: Desk) -> None:
    shown = done(crowd, "edit", "Ben", "--set", "github=", "--set", "timeout=60")
    rows = [line.split() for line in shown.splitlines()]
    assert ["github", "ben-hub", "(not", "set)"] in rows
    assert ["timeout", "(not", "set)", "60"] in rows


def test_edit_in_braces_and_over_a_list(crowd: Desk) -> None:
    done(crowd, "edit", "1", "--set", "model=opus", "--set", "os_user=")
    done(crowd, "edit", "Carol", "--set", "allowed_workspaces=/srv/c")
    assert kai_yml(crowd) == KAI_YML.replace(
        "role: admin, os_user: alice}", 'role: admin, model: "opus"}'
    ).replace(
        "  allowed_workspaces:\n  - /srv/a   # the first\n  - /srv/b\n",
        '  allowed_workspaces: ["/srv/c"]\n',
    )


def test_add_and_remove_leave_the_others_alone(crowd: Desk) -> None:
    done(crowd, "add", "--telegram-id", "4", "--name", "Dia", "--os-user", "dia")
    added = '  os_user: carol\n- telegram_id: 4\n  name: "Dia"\n  os_user: "dia"\n'
    assert kai_yml(crowd) == KAI_YML.replace("  os_user: carol\n", added)
    assert crowd.run("users", "remove", "Dia").returncode == 0
    assert kai_yml(crowd) == KAI_YML
    done(crowd, "remove", "2")
    before, _, rest = KAI_YML.partition("-   telegram_id: 2\n")
    assert kai_yml(crowd) == before + "# carol may leave\n" + rest.partition("may leave\n")[2]


def test_the_same_value_is_nothing_to_write(crowd: Desk) -> None:
    before = crowd.tree()
    assert "Nothing to write" in done(crowd, "edit", "Ben", "--set", "os_user=bob")
    assert crowd.tree() == before


@pytest.mark.parametrize(
    "users",
    [
        "[{telegram_id: 1, name: Ada, role: admin, hat: red}, {telegram_id: 2, name: Ben}]",
        "\n  - &ada {telegram_id: 1, name: Ada, role: admin, hat: red}\n"
        "  - {<<: *ada, telegram_id: 2, name: Ben, role: user}",
    ],
)
def test_a_list_of_another_shape_keeps_everything_too(team: Desk, users: str) -> None:
    text = f"{USERS}: {users}\nkai_install_source: /src/kai  # there\n"
    (team.host_vars() / "kai.yml").write_text(text, encoding="utf-8")
    # Ansible takes a merge for a key that stands twice, and lets it pass unless told otherwise
    team.variables["ANSIBLE_DUPLICATE_YAML_DICT_KEY"] = "ignore"
    assert team.run("users", "edit", "Ada", "--set", "name=A {{ b }}").returncode == 0
    ada, ben = people_of(team)
    assert ada == {"telegram_id": 1, "name": "A {{ b }}", "role": "admin", "hat": "red"}
    assert ben["name"] == "Ben"
    assert "# there" in kai_yml(team)
    done(team, "add", "--telegram-id", "3", "--name", "Cem")
    done(team, "remove", "Ben")
    names = [user["name"] for user in people_of(team)]
    assert names == ["A {{ b }}", "Cem"]


def test_who_is_meant(crowd: Desk) -> None:
    assert "did you mean Carol?" in refused(crowd, "edit", "Caro", "--set", "timeout=1")
    done(crowd, "edit", "3", "--set", "name=Ben")
    told = refused(crowd, "edit", "Ben", "--set", "timeout=1")
    assert "Ben (2), Ben (3)" in told


def test_edit_refuses_what_it_cannot_set(crowd: Desk) -> None:
    assert "--set FIELD=VALUE" in refused(crowd, "edit", "Ben")
    assert "1. --set name\n" in refused(crowd, "edit", "Ben", "--set", "name=")
    assert "which Ada" in refused(crowd, "edit", "Ben", "--set", "telegram_id=1")


def test_the_last_person_stays(team: Desk) -> None:
    assert "the last user" in refused(team, "remove", "Ada", "--yes")


@pytest.mark.parametrize("command", [("remove", "Ada"), ("edit", "Ada", "--set", "role=user")])
def test_the_last_admin_goes_only_when_it_is_meant(crowd: Desk, command: tuple[str, ...]) -> None:
    assert "--yes" in refused(crowd, *command)
    before = crowd.tree()
    for answer in ("", "yes"):
        assert crowd.tree() == before
        child = crowd.dialog("users", *command)
        child.expect(r"Go on\? \[no\]: ")
        child.sendline(answer)
        child.expect(pexpect.EOF)
        assert exit_code(child) == 0
    assert crowd.tree() != before


def test_edit_reports_only_a_new_login(crowd: Desk) -> None:
    assert "Log in" not in done(crowd, "edit", "Ben", "--set", "timeout=60")
    assert "sudo -iu bob codex login" in done(crowd, "edit", "Ben", "--set", "agent_backend=codex")


# whose list it is


def test_a_users_file_has_one_owner(team: Desk) -> None:
    users = team.write("users.yaml", {"users": team.answers()["users"]})
    text = f"kai_install_users_file: {users}\nkai_install_source: /src/kai\n"
    (team.host_vars() / "kai.yml").write_text(text, encoding="utf-8")
    assert re.search("Ada +1 +admin", done(team, "list"))
    for command in (("add", *BEN), ("edit", "Ada", "--set", "model=opus"), ("remove", "Ada")):
        assert "your own file" in refused(team, *command)


@pytest.mark.parametrize(
    "kai", ["", "kai_install_users: '{{ team }}'\nteam: [{telegram_id: 1, name: Ada}]\n"]
)
def test_people_who_are_set_elsewhere_are_edited_there(team: Desk, kai: str) -> None:
    settings = team.settings()
    users = settings.pop(USERS)
    team.write("inventory/group_vars/all.yml", settings if kai else {**settings, USERS: users})
    (team.host_vars() / "kai.yml").write_text(kai, encoding="utf-8")
    assert "a value from another file" in refused(team, "add", *BEN)


def test_the_first_person_can_be_added(team: Desk) -> None:
    settings = team.settings()
    del settings[USERS]
    team.write("inventory/host_vars/localhost/kai.yml", settings)
    done(team, "add", *BEN)
    assert [user["name"] for user in team.settings()[USERS]] == ["Ben"]


def test_one_host_at_a_time(team: Desk) -> None:
    hosts = {"all": {"hosts": {"localhost": {"ansible_connection": "local"}, "other": {}}}}
    team.write("inventory/hosts.yml", hosts)
    team.write("inventory/host_vars/other/kai.yml", team.settings())
    assert "one host" in refused(team, "add", "all", *BEN)
    listed = json.loads(done(team, "list", "all", "--json"))["hosts"]
    assert sorted(listed) == ["localhost", "other"]


# what was typed


@pytest.mark.sample(2, "the same way with another text")
@pytest.mark.parametrize("word", ["0123", "yes", "null", "1e3", "~", "1:30", "0x1f", "ł 🦉"])
def test_text_stays_text(team: Desk, word: str) -> None:
    """Through kai.yml, Ansible's loader and users.yaml (pain U1)."""
    is_account = word in ("yes", "null", "1e3", "0x1f")
    account = word if is_account else "bob"
    done(team, "add", "--telegram-id", "2", "--name", word, "--os-user", account)
    users = people_of(team)
    assert (users[1]["name"], users[1]["os_user"]) == (word, account)
    assert yaml.safe_load(yaml_text({"users": users})) == {"users": users}
    # a name of that look is found again
    done(team, "edit", word, "--set", f"github={word}")
    assert team.settings()[USERS][1]["github"] == word


# the editing itself

PEOPLE = [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Ben", "tags": ["a"]}]


@pytest.mark.parametrize(
    "text",
    [
        "u:\n- id: 1\n  name: Ada\n- id: 2\n  name: Ben\n  tags: [a]\n",
        "u:\n  - id: 1\n    name: Ada\n\n  - id: 2\n    name: Ben\n    tags:\n      - a",
        "---\nx: 1\nu:\n  -\n    id: 1\n    name: Ada\n"
        "  - {id: 2, name: Ben,\n     tags: [a]}\ny: 2\n",
        'u: # c\n  - name: "Ada"\n    id: 1\n  # d\n  - tags:\n    - a # e\n    id: 2\n'
        "    name: >-\n      Ben\n\n# f\ny: 2\n",
    ],
)
def test_edited_text_means_what_was_asked(text: str) -> None:
    """Every edit of both entries, checked against the same edit of the data."""

    def people(edited: str) -> Any:
        loaded = yaml.safe_load(edited)
        comments = [line.partition("#")[2] for line in text.splitlines() if "#" in line]
        assert {key: loaded[key] for key in loaded if key != "u"} == {
            key: value for key, value in yaml.safe_load(text).items() if key != "u"
        }
        kept = [comment for comment in comments if f"#{comment}" in edited]
        assert set(comments) - set(kept) <= {" e"}
        return loaded["u"]

    assert people(text) == PEOPLE
    cem = {"id": 3, "name": "C: # {", "tags": ["x, y", "]"], "tall": True}
    assert people(with_entry(text, "u", cem)) == [*PEOPLE, cem]
    for index in range(2):
        others = [person for other, person in enumerate(PEOPLE) if other != index]
        assert people(without_entry(text, "u", index)) == others
        for field in ("id", "name", "tags", "new"):
            for value in (None, "yes", 7, 2.5, False, ["a"], [], ""):
                edited = people(with_fields(text, "u", index, {field: value}))
                wanted = [dict(person) for person in PEOPLE]
                wanted[index].pop(field, None)
                if value is not None:
                    wanted[index][field] = value
                assert edited == wanted


@pytest.mark.parametrize("text", ["", "u: []", "u: [{id: 1}]", "u: 5", "- u", "u: {", "x: 1\n"])
def test_text_of_another_shape_is_left_to_others(text: str) -> None:
    with pytest.raises(NotUnderstood):
        with_entry(text, "u", {"id": 1})
    with pytest.raises(NotUnderstood):
        without_entry(text, "u", 0)
    with pytest.raises(NotUnderstood):
        with_fields(text, "u", 0, {"id": 1})


def test_what_ansible_evaluates_stays_as_it_is_written(team: Desk) -> None:
    team.write("inventory/hosts.yml", {"all": {"hosts": {"localhost": {"of_ada": "alice"}}}})
    secret = VaultSecret(read_password_file(team.password_file))
    vault = VaultLib(secrets=[("default", secret)])
    locked = vault.encrypt("ada-hub", secret=secret, vault_id="default").decode()
    inline = "".join(f"      {line}\n" for line in locked.splitlines())
    ada = (
        f"  - telegram_id: 1\n    name: Ada\n    role: admin\n    os_user: '{{{{ of_ada }}}}'\n"
        "    notes: ['{{ of_ada }}', 'two']\n"
        "    hat: '{{ nothing | default(omit) }}'\n"
        f"    github: !vault |\n{inline}"
    )
    settings = team.settings()
    rest = "".join(f"{name}: {json.dumps(settings[name])}\n" for name in settings.keys() - {USERS})
    (team.host_vars() / "kai.yml").write_text(f"{USERS}:\n{ada}{rest}", encoding="utf-8")
    for arguments in (
        ("add", *BEN),
        ("edit", "Ada", "--set", "model=opus"),
        ("remove", "Ben"),
    ):
        changed = team.run("users", *arguments)
        assert changed.returncode == 0, changed.stderr
        assert ada in kai_yml(team)
    listed = json.loads(team.run("users", "list", "--json").stdout)["hosts"]["localhost"]
    [user] = listed["users"]
    assert (user["os_user"], user["model"]) == ("alice", "opus")
    # what is evaluated is replaced by no plain text, and no secret is shown
    before = team.tree()
    refused = team.run("users", "edit", "Ada", "--set", "github=other", "--set", "os_user=bob")
    assert refused.returncode == 2
    for name in ("github", "os_user"):
        assert f"kai_install_users[0].{name}" in refused.stderr
    assert "ada-hub" not in refused.stdout + refused.stderr
    assert team.tree() == before


def test_users_that_a_later_file_replaces_are_not_changed(team: Desk) -> None:
    text = kai_yml(team)
    (team.host_vars() / "zz.yml").write_text(text, encoding="utf-8")
    before = team.tree()
    result = team.run("users", "add", *BEN)
    assert result.returncode == 2, result.stdout
    assert "zz.yml, which sets it as well" in result.stderr
    assert team.tree() == before
