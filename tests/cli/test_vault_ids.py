"""An inventory whose groups are locked with passwords of their own, each a vault id."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from kai_ansible.inventory.inventory import Inventory
from tests.cli.desk import KAI_ANSIBLE, TOKEN, Desk

pytestmark = pytest.mark.later(
    "vaults with several passwords; test_one_reader.py opens vaults", apart=True
)

PASSWORDS = {"prod": "one password", "dev": "another password"}


def locked(label: str, **variables: Any) -> str:
    secret = VaultSecret(PASSWORDS[label].encode())
    text = yaml.safe_dump(variables)
    return str(VaultLib([(label, secret)]).encrypt(text, secret=secret, vault_id=label).decode())


@pytest.fixture
def fleet(desk: Desk) -> Desk:
    """A desk with a host in each of two groups, and no vault password but those of the groups."""
    groups = {group: {"hosts": {f"{group}1": {}}} for group in PASSWORDS}
    python = "{{ ansible_playbook_python }}"
    local = {"ansible_connection": "local", "ansible_python_interpreter": python}
    desk.write("inventory/hosts.yml", {"all": {"vars": local, "children": groups}})
    users = [{"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"}]
    common = {"kai_install_source": str(desk.source), "kai_install_users": users}
    desk.write("inventory/group_vars/all.yml", {**common, "kai_install_agent_backend": "codex"})
    for number, (group, password) in enumerate(PASSWORDS.items()):
        token = {"kai_install_telegram_bot_token": f"{number}{TOKEN}"}
        desk.write(f"inventory/group_vars/{group}/vault.yml", locked(group, **token))
        desk.write(f"{group}.password", password)
    return desk


def test_each_group_is_opened_with_its_own_vault_id(fleet: Desk) -> None:
    ids = [word for group in PASSWORDS for word in ("--vault-id", f"{group}@{group}.password")]
    for group in PASSWORDS:
        done = fleet.run("users", "list", f"{group}1", *ids)
        assert done.returncode == 0, done.stderr
    # the vault of a group that the host is not in is not even looked at
    done = fleet.run("users", "list", "dev1", "--vault-id", "dev@dev.password")
    assert done.returncode == 0, done.stderr
    done = fleet.run("users", "list", "prod1", "--vault-id", "dev@dev.password")
    assert done.returncode == 2
    assert "a vault of prod that the password from the vault id dev does not open" in done.stderr
    assert "fix:      name the right one with --vault-id prod@FILE" in done.stderr


def test_a_run_of_ansible_gets_every_vault_id(fleet: Desk) -> None:
    # as in ansible.cfg, and for the commands that read the vaults as well
    pairs = ",".join(f"{group}@{fleet.work}/{group}.password" for group in PASSWORDS)
    fleet.variables["ANSIBLE_VAULT_IDENTITY_LIST"] = pairs
    fleet.write("inventory/group_vars/all/health.yml", {"kai_install_webhook_secret": "0" * 64})
    (fleet.inventory / "group_vars" / "all.yml").rename(
        fleet.inventory / "group_vars" / "all" / "kai.yml"
    )
    done = fleet.run("config", "dev1", "--no-input", "--no-probe", "--set", "PR_REVIEW_ENABLED=no")
    assert done.returncode == 0, done.stdout + done.stderr
    # what groups say is not written again
    asked = {"kai_install_pr_review_enabled", "kai_install_default_model"}
    asked.add("kai_install_contract_version")
    assert fleet.settings("dev1").keys() == asked
    assert not (fleet.host_vars("dev1") / "vault.yml").exists()
    done = fleet.run("status", "all", "--json")
    assert "decrypt" not in done.stdout + done.stderr
    assert '"failures": []' in done.stdout, done.stdout + done.stderr


def test_a_vault_that_changes_keeps_its_vault_id(fleet: Desk, monkeypatch: Any) -> None:
    vault = fleet.host_vars("prod1") / "vault.yml"
    fleet.write("inventory/host_vars/prod1/vault.yml", locked("prod", kai_install_codex_bin="/c"))
    ids = [
        word for group in ("dev", "prod") for word in ("--vault-id", f"{group}@{group}.password")
    ]
    answers = fleet.write("answers.yml", {"settings": {"WEBHOOK_SECRET": "1" * 64}})
    given = ["--answers", str(answers), *ids]
    done = fleet.run("config", "prod1", "--no-input", "--no-probe", *given)
    assert done.returncode == 0, done.stdout + done.stderr
    assert vault.read_text().startswith("$ANSIBLE_VAULT;1.2;AES256;prod\n")
    monkeypatch.chdir(fleet.work)
    monkeypatch.setenv("HOME", str(fleet.home))
    inventory = Inventory(Path("inventory"))
    inventory.read("prod1", None, ["prod@prod.password"], may_ask=False)
    found = inventory.variables("prod1")
    assert found["kai_install_webhook_secret"] == "1" * 64
    assert found["kai_install_telegram_bot_token"] == f"0{TOKEN}"


def test_a_source_is_found_where_ansible_finds_it(fleet: Desk) -> None:
    fleet.variables["PLACE"] = str(fleet.work)
    done = fleet.run("users", "list", "dev1", "--vault-id", "dev@$PLACE/dev.password")
    assert done.returncode == 0, done.stderr


def test_a_file_whose_name_is_like_a_prompt_is_a_file(fleet: Desk) -> None:
    # the vault of dev is opened by no password that needs a prompt, so its file is named
    fleet.write("prompt-of-ours", PASSWORDS["prod"])
    done = fleet.run("users", "list", "dev1", "--vault-id", "dev@prompt-of-ours")
    assert done.returncode == 2
    assert "a vault of dev that the password from the vault id dev does not open" in done.stderr


def through_a_shell(fleet: Desk, words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", "-c", f"exec {KAI_ANSIBLE} settings prod1 {words}"],
        cwd=fleet.work,
        env=fleet.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "words",
    [
        "--vault-password-file <(cat prod.password)",
        "--vault-id prod@<(cat prod.password)",
        "--vault-id prod@/dev/stdin < prod.password",
    ],
)
def test_a_pipe_of_the_shell_gives_its_password_once(fleet: Desk, words: str) -> None:
    # the name of the host is looked for first, and then the host is read
    done = through_a_shell(fleet, words)
    assert done.returncode == 0, done.stderr
    assert "TELEGRAM_BOT_TOKEN" in done.stdout


def test_a_pipe_with_another_password_is_not_taken_for_an_empty_one(fleet: Desk) -> None:
    done = through_a_shell(fleet, "--vault-password-file <(cat dev.password)")
    assert done.returncode == 2
    assert "group_vars/prod/vault.yml" in done.stderr
