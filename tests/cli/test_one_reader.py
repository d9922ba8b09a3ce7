"""What operators set for Ansible is what every command gets, as ansible-playbook has it.

Each case is a kind of set-up from public bug reports, driven through the real command.
"""

import json
import os
import shutil
import signal
import sys
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pexpect
import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from kai_ansible.ansible.reading import read
from tests import read_in_process
from tests.cli.desk import KAI_ANSIBLE, TOKEN, Desk, Wizard, exit_code
from tests.conftest import ROOT

# each case starts Ansible several times
pytestmark = pytest.mark.slow

# of an interpreter that nobody names, and of a prompt where nobody can answer
WARNED_OF = (
    "discovered Python interpreter",
    "EOFError (ctrl-d) on prompt",
    "Could not match supplied host pattern",
    "Error getting vault password file",
    "Error loading plugin",
    "Failed to parse inventory with",
)
PASSWORD = "correct horse"
SCRIPT = """\
#!{python}
import json, os
print(json.dumps({{
    "_meta": {{"hostvars": {{"bot": {{"ansible_connection": "local",
        "kai_install_sentry_dsn": os.environ["HCLOUD_TOKEN"]}}}}}},
    "all": {{"hosts": ["bot"]}},
}}))
"""
# section and key in ansible.cfg, value, and name in the environment
UNREAD = [
    "defaults no_log True ANSIBLE_NO_LOG",
    "defaults force_color True ANSIBLE_FORCE_COLOR",
    "defaults stdout_callback oneline ANSIBLE_STDOUT_CALLBACK",
    "defaults callback_result_format yaml ANSIBLE_CALLBACK_RESULT_FORMAT",
    "defaults callback_format_pretty True ANSIBLE_CALLBACK_FORMAT_PRETTY",
    "defaults display_traceback always ANSIBLE_DISPLAY_TRACEBACK",
    "defaults strategy debug ANSIBLE_STRATEGY",
    "defaults any_errors_fatal True ANSIBLE_ANY_ERRORS_FATAL",
    "defaults enable_task_debugger True ANSIBLE_ENABLE_TASK_DEBUGGER",
    "inventory host_pattern_mismatch error ANSIBLE_HOST_PATTERN_MISMATCH",
    "tags run deploy ANSIBLE_RUN_TAGS",
    "tags skip always,all ANSIBLE_SKIP_TAGS",
]
# of the operator's, such as one that posts each play to a chat
CALLBACK = """\
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "notify"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, playbook):
        print('bot | FAILED! => {{"msg": "notified"}}', flush=True)
        open({path!r}, "a").close()
"""
UNSPLIT = "-o ProxyCommand='ssh -W"


@pytest.fixture
def fleet(desk: Desk) -> Desk:
    """A desk whose one host is this machine, configured in plain text."""
    local = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    }
    desk.write("inventory/hosts.yml", {"all": {"hosts": {"bot": local}}})
    users = [{"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"}]
    desk.write(
        "inventory/host_vars/bot/kai.yml",
        {"kai_install_source": str(desk.source), "kai_install_users": users},
    )
    desk.write("inventory/host_vars/bot/token.yml", {"kai_install_telegram_bot_token": TOKEN})
    return desk


def lock(text: str, password: str = PASSWORD, label: str | None = None) -> str:
    secret = VaultSecret(password.encode())
    return str(VaultLib([]).encrypt(text, secret=secret, vault_id=label).decode())


def add(desk: Desk, **variables: Any) -> None:
    desk.write("inventory/host_vars/bot/more.yml", variables)


def port_of(desk: Desk, *arguments: str) -> str:
    """Return the port of the bot's webhook, from a variable that config sets."""
    done = desk.run("settings", "WEBHOOK_PORT", "bot", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.rstrip("\n")


def test_what_the_tests_read_in_a_fork_is_what_ansible_reads(fleet: Desk) -> None:
    fleet.write(
        "inventory/group_vars/all.yml", {"bot_port": 8122, "kai_install_memory_enabled": "yes"}
    )
    add(fleet, kai_install_webhook_port="{{ bot_port }}", kai_install_sentry_dsn="{{ nowhere }}")
    fleet.write("inventory/host_vars/bot/vault.yml", lock("kai_install_data_dir: /srv/kai\n"))
    password = fleet.write("password", PASSWORD)
    given = (fleet.inventory, None, ["--vault-id", f"default@{password}"])
    found = read_in_process.reading(*given)
    assert found == read(*given)
    assert found.hosts["bot"].variables["kai_install_data_dir"] == "/srv/kai"


def test_the_environment_reaches_lookups(fleet: Desk) -> None:
    add(fleet, kai_install_webhook_port="{{ lookup('env', 'BOT_PORT') }}")
    fleet.variables["BOT_PORT"] = "8123"
    assert port_of(fleet) == "8123"


def test_the_environment_reaches_an_inventory_script(fleet: Desk) -> None:
    (fleet.inventory / "hosts.yml").unlink()
    script = fleet.write("inventory/hosts", SCRIPT.format(python=sys.executable))
    script.chmod(0o755)
    fleet.variables["HCLOUD_TOKEN"] = "https://token@example.org/1"
    done = fleet.run("status", "bot", "--json")
    assert json.loads(done.stdout)["failures"] == [] or "HCLOUD" not in done.stdout, done.stdout
    # no log has it
    for path in [*fleet.logs, *fleet.home.rglob("*.json")]:
        assert "token@example.org" not in path.read_text(encoding="utf-8")


@pytest.mark.sample(1, "the same way with another place of it")
@pytest.mark.parametrize("named_in", ["ansible.cfg", "environment", "identity list"])
def test_the_environment_reaches_a_password_script(fleet: Desk, named_in: str) -> None:
    script = fleet.write("ask-client.sh", "#!/bin/sh\nprintf '%s' \"$BW_SESSION\"\n")
    script.chmod(0o755)
    fleet.variables["BW_SESSION"] = PASSWORD
    if named_in == "ansible.cfg":
        fleet.write("ansible.cfg", "[defaults]\nvault_password_file = ask-client.sh\n")
    elif named_in == "environment":
        fleet.variables["ANSIBLE_VAULT_PASSWORD_FILE"] = str(script)
    else:
        fleet.variables["ANSIBLE_VAULT_IDENTITY_LIST"] = f"bot@{script}"
    fleet.write("inventory/host_vars/bot/vault.yml", lock("kai_install_webhook_port: 8124\n"))
    assert port_of(fleet) == "8124"
    done = fleet.run("status", "bot", "--json")
    assert "decrypt" not in done.stdout + done.stderr


@pytest.mark.sample(1, "the same way with another place of it")
@pytest.mark.parametrize("place", ["host_vars/bot/inline.yml", "group_vars/all.yml"])
def test_a_value_that_is_locked_by_itself(fleet: Desk, place: str) -> None:
    inline = lock("8125").replace("\n", "\n  ")
    become = lock("root's").replace("\n", "\n  ")
    fleet.write(
        f"inventory/{place}",
        f"kai_install_webhook_port: !vault |\n  {inline}\n"
        f"ansible_become_password: !vault |\n  {become}\n",
    )
    password = fleet.write("password", PASSWORD)
    assert port_of(fleet, "--vault-password-file", str(password)) == "8125"


def test_plugins_by_their_full_names(fleet: Desk) -> None:
    port = fleet.write("port", "8126")
    add(fleet, kai_install_webhook_port=f"{{{{ lookup('ansible.builtin.file', '{port}') }}}}")
    fleet.write(
        "inventory/zz-groups.yml",
        {
            "plugin": "ansible.builtin.constructed",
            "groups": {"bots": "inventory_hostname == 'bot'"},
        },
    )
    assert port_of(fleet) == "8126"
    done = fleet.run("users", "list", "bots")
    assert done.returncode == 0, done.stderr


@pytest.mark.sample(1, "the same way with another place of it")
@pytest.mark.parametrize("found_by", ["directory", "relative ANSIBLE_CONFIG"])
def test_the_operators_ansible_cfg_holds_for_reading_and_for_the_run(
    fleet: Desk, found_by: str
) -> None:
    name = "ansible.cfg" if found_by == "directory" else "settings/of-mine.cfg"
    # what no host answers shows who logs in
    fleet.write(
        name,
        "[defaults]\nremote_user = nobody-of-ours\n[ssh_connection]\n"
        "ssh_executable = ssh-of-ours\n",
    )
    program = fleet.write("bin/ssh-of-ours", '#!/bin/sh\necho "$@" >>"$SEEN"\nexit 255\n')
    program.chmod(0o755)
    seen = fleet.work / "seen"
    fleet.variables.update(PATH=f"{program.parent}:{os.environ['PATH']}", SEEN=str(seen))
    if found_by != "directory":
        fleet.variables["ANSIBLE_CONFIG"] = name
    fleet.write("inventory/hosts.yml", {"all": {"hosts": {"bot": {"ansible_host": "192.0.2.1"}}}})
    fleet.run("status", "bot")
    assert 'User="nobody-of-ours"' in seen.read_text(encoding="utf-8")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("kind", ["directory", "link"])
def test_an_inventory_that_another_account_has_put_into_an_open_directory_is_not_read(
    desk: Desk, kind: str
) -> None:
    mark = desk.directory / "ran"
    entry = {
        "ansible_connection": "local",
        "kai_install_data_dir": f"{{{{ lookup('pipe', 'touch {mark}') }}}}",
    }
    hosts = desk.write("inventory/hosts.yml", {"all": {"hosts": {"bot": entry}}})
    if kind == "link":
        hosts.parent.rename(desk.work / "elsewhere")
        desk.inventory.symlink_to("elsewhere")
    os.chown(desk.inventory, 65534, -1, follow_symlinks=False)
    desk.work.chmod(0o1777)
    for arguments in (["settings"], ["status"], ["users", "list"]):
        done = desk.run(*arguments)
        assert done.returncode == 2, done.stderr
        assert f"{desk.inventory}\n   found:    an inventory of UID 65534" in done.stderr
        assert "add --inventory inventory" in done.stderr
    assert not mark.exists()
    # who names it trusts it, as who has called sudo trusts their own
    assert desk.run("settings", "--inventory", "inventory").returncode == 0
    assert mark.exists()
    mark.unlink()
    desk.variables["SUDO_USER"] = "nobody"
    assert desk.run("settings").returncode == 0
    assert mark.exists()


@pytest.mark.sample(1, "the same way with another place of it")
@pytest.mark.parametrize("place", ["ansible.cfg", "environment"])
def test_settings_for_output_and_tags_change_nothing_that_is_read(fleet: Desk, place: str) -> None:
    settings = [line.split() for line in UNREAD]
    if place == "environment":
        fleet.variables.update({variable: value for *_, value, variable in settings})
    else:
        parser = ConfigParser()
        for section, key, value, _ in settings:
            parser.read_dict({section: {key: value}})
        with (fleet.work / "ansible.cfg").open("w", encoding="utf-8") as file:
            parser.write(file)
    add(fleet, kai_install_webhook_port=8128)
    assert port_of(fleet) == "8128"
    done = fleet.run("settings", "WEBHOOK_PORT", "nowhere")
    assert "no host 'nowhere'" in done.stderr, done.stderr
    fleet.write("inventory/host_vars/bot/connection.yml", {"ansible_connection": "{{ lost }}"})
    done = fleet.run("settings", "WEBHOOK_PORT", "bot")
    assert done.returncode == 2
    assert "'lost' is undefined" in done.stderr, done.stderr


@pytest.mark.parametrize("named_by", ["--vault-id", "ANSIBLE_VAULT_PASSWORD_FILE", "ansible.cfg"])
def test_a_password_file_that_is_not_there_is_never_passed_over(fleet: Desk, named_by: str) -> None:
    # with a password of ours Ansible itself would go on
    config_dir = fleet.home / ".config" / "kai-ansible"
    config_dir.mkdir(parents=True)
    (config_dir / "vault-password").write_text(PASSWORD)
    words = []
    if named_by == "--vault-id":
        words = ["--vault-id", "prod@nowhere"]
    elif named_by == "ansible.cfg":
        fleet.write("ansible.cfg", "[defaults]\nvault_password_file = nowhere\n")
    else:
        fleet.variables[named_by] = "nowhere"
    before = fleet.tree()
    done = fleet.run("config", "--no-input", "--no-probe", "--set", "WEBHOOK_PORT=1024", *words)
    assert done.returncode == 2
    assert "nowhere\n   found:    no vault password: no file" in done.stderr
    assert fleet.tree() == before


def test_a_host_that_begins_with_a_hyphen_is_no_option(fleet: Desk) -> None:
    done = fleet.run("settings", "WEBHOOK_PORT", "--", "-bot1")
    assert done.returncode == 2
    assert "no host '-bot1'" in done.stderr


def test_an_ansible_cfg_that_ansible_ignores_is_named(fleet: Desk) -> None:
    fleet.inventory.rename(fleet.work / "bots")
    fleet.write("ansible.cfg", "[defaults]\ninventory = bots\n")
    fleet.work.chmod(0o777)
    done = fleet.run("settings", "WEBHOOK_PORT")
    assert done.returncode == 2
    assert "Ansible ignores ansible.cfg" in done.stderr


def test_a_page_replaces_nothing_but_a_file(fleet: Desk) -> None:
    os.mkfifo(fleet.work / "pipe")
    for place, found in (
        ("pipe", "a named pipe"),
        (".", "a directory"),
        ("nowhere/page.html", "no directory nowhere"),
        ("ansible.cfg/page.html", "Not a directory"),
    ):
        fleet.write("ansible.cfg", "")
        done = fleet.run("status", "bot", "--html", place)
        assert done.returncode == 2
        assert f"--html {place}\n   found:    {found}" in done.stderr
    assert (fleet.work / "pipe").is_fifo()
    refused = fleet.run("status", "bot", "--watch", "--interval", "nan")
    assert "1. --interval" in refused.stderr


def test_a_host_that_cannot_be_reached_is_not_imported_from_with_the_reason(fleet: Desk) -> None:
    fleet.write("inventory/hosts.yml", {"all": {"hosts": {"bot": {"ansible_host": "192.0.2.1"}}}})
    program = fleet.write("ssh-of-ours", "#!/bin/sh\necho No route to host >&2\nexit 255\n")
    program.chmod(0o755)
    fleet.write("ansible.cfg", f"[ssh_connection]\nssh_executable = {program}\n")
    done = fleet.run("config", "bot", "--import", "host", "--no-input")
    assert done.returncode == 2
    assert "Could not reach bot." in done.stderr
    assert "fix:      check that bot is up" in done.stderr, done.stderr


def test_what_config_prints_is_what_it_would_write(fleet: Desk) -> None:
    index = "https://user:secret@pypi.example.org/simple"
    fleet.write("inventory/group_vars/all.yml", {"kai_install_index_url": index})
    done = fleet.run("config", "--no-input", "--no-probe", "--print", "--set", "WEBHOOK_PORT=8123")
    assert done.returncode == 0, done.stderr
    assert "kai_install_webhook_port: 8123" in done.stdout
    assert "kai_install_index_url" not in done.stdout


def test_a_callback_of_the_operator_gets_the_events_of_runs_alone(fleet: Desk) -> None:
    notified = fleet.work / "notified"
    fleet.write("callbacks/notify.py", CALLBACK.format(path=str(notified)))
    fleet.write(
        "ansible.cfg", "[defaults]\ncallback_plugins = callbacks\ncallbacks_enabled = notify\n"
    )
    assert port_of(fleet) == "8080"
    assert not notified.exists()
    fleet.run("status", "bot")
    assert notified.exists()


@pytest.mark.sample(1, "the same way with another place of it")
@pytest.mark.parametrize(
    ("variables", "environment", "where"),
    [
        ({"ansible_ssh_extra_args": UNSPLIT}, {}, "ansible_ssh_extra_args"),
        ({}, {"ANSIBLE_SSH_ARGS": UNSPLIT}, "ANSIBLE_SSH_ARGS"),
    ],
)
def test_ssh_arguments_with_an_open_quote_are_named(
    fleet: Desk, variables: dict[str, str], environment: dict[str, str], where: str
) -> None:
    fleet.variables.update(environment)
    hosts = {"bot": {"ansible_host": "192.0.2.1", **variables}, "other": None}
    fleet.write("inventory/hosts.yml", {"all": {"hosts": hosts}})
    done = fleet.run("settings", "WEBHOOK_PORT", "bot")
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"{where}: {UNSPLIT!r} cannot be split" in done.stderr, done.stderr


def test_the_files_of_a_host_in_a_subdirectory_of_the_inventory(fleet: Desk) -> None:
    (fleet.inventory / "prod").mkdir()
    (fleet.inventory / "hosts.yml").rename(fleet.inventory / "prod" / "hosts.yml")
    add(fleet, kai_install_webhook_port=8129)
    # Ansible reads none beside the files of a directory
    fleet.write("inventory/prod/host_vars/bot.yml", {"kai_install_webhook_port": 8130})
    fleet.write("inventory/group_vars/all.yml", {"kai_install_sentry_dsn": ""})
    found = read(fleet.inventory, None).hosts["bot"]
    assert found.variables["kai_install_webhook_port"] == 8129
    places = {str(Path(path).relative_to(fleet.inventory)) for path in found.files}
    of_host = {f"host_vars/bot/{name}.yml" for name in ("kai", "more", "token")}
    assert places == {"group_vars/all.yml", *of_host}


def test_ssh_args_of_ansible_cfg_are_the_operators_business(fleet: Desk) -> None:
    fleet.write(
        "ansible.cfg",
        "[ssh_connection]\nssh_args = -F of-mine -o BatchMode=yes\nssh_executable = ssh-of-mine\n",
    )
    program = fleet.write("bin/ssh-of-mine", '#!/bin/sh\necho "$@" >>"$SEEN"\nexit 255\n')
    program.chmod(0o755)
    seen = fleet.work / "seen"
    fleet.variables.update(PATH=f"{program.parent}:{os.environ['PATH']}", SEEN=str(seen))
    fleet.write("inventory/hosts.yml", {"all": {"hosts": {"bot": {"ansible_host": "192.0.2.1"}}}})
    done = fleet.run("status", "bot")
    assert done.returncode == 1
    assert "-F of-mine -o BatchMode=yes" in seen.read_text(encoding="utf-8")


def test_the_operators_vault_password_locks_what_config_writes(fleet: Desk) -> None:
    fleet.write("password", PASSWORD)
    fleet.write("ansible.cfg", "[defaults]\nvault_password_file = password\n")
    done = fleet.run(
        "config",
        "bot",
        "--no-input",
        "--no-probe",
        "--set",
        "PR_REVIEW_ENABLED=yes",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not fleet.password_file.exists()
    locked = fleet.inventory / "host_vars" / "bot" / "vault.yml"
    opened = VaultLib([("default", VaultSecret(PASSWORD.encode()))]).decrypt(locked.read_bytes())
    assert "kai_install_webhook_secret" in yaml.safe_load(opened)


@pytest.mark.sample(1, "the same way with another question")
@pytest.mark.parametrize("setting", ["ask_vault_pass", "become_ask_pass", "ask_pass"])
def test_what_ansible_would_ask_is_asked_once_or_ends(fleet: Desk, setting: str) -> None:
    section = "privilege_escalation" if setting == "become_ask_pass" else "defaults"
    (fleet.home / ".ansible.cfg").write_text(f"[{section}]\n{setting} = True\n")
    done = fleet.run("status", "bot", "--json")
    assert done.returncode in (1, 2, 3)
    if setting == "ask_vault_pass":
        assert "no terminal to ask for it" in done.stderr
    child = fleet.spawn("status", "bot")
    child.expect(r"(?i)password: ")
    child.sendline(PASSWORD)
    assert child.expect([r"(?i)password: ", pexpect.EOF]) == 1, child.before
    exit_code(child)


@pytest.mark.sample(1, "the same way with another setting that starts it")
@pytest.mark.parametrize(
    "text", ["[defaults]\nenable_task_debugger = True\n", "[defaults]\nstrategy = debug\n"]
)
def test_the_task_debugger_is_never_waited_for(fleet: Desk, text: str) -> None:
    fleet.write("ansible.cfg", text)
    python = {"ansible_python_interpreter": "/nowhere/python", "ansible_connection": "local"}
    fleet.write("inventory/hosts.yml", {"all": {"hosts": {"bot": python}}})
    assert fleet.run("status", "bot").returncode == 1


def test_a_run_that_fails_is_reported_in_the_document_of_each_command(fleet: Desk) -> None:
    python = {"ansible_python_interpreter": "/nowhere/python", "ansible_connection": "local"}
    fleet.write("inventory/hosts.yml", {"all": {"hosts": {"bot": python}}})
    done = fleet.run("uninstall", "bot", "--yes", "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert [failure["host"] for failure in document["failures"]] == ["bot"]
    assert Path(document["log"]).exists()


@pytest.mark.sample(1, "the same way with another locale")
@pytest.mark.parametrize(
    "language", [{"LANG": "xx_XX.UTF-8"}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX", "LANG": ""}]
)
def test_a_locale_that_the_system_lacks(fleet: Desk, language: dict[str, str]) -> None:
    fleet.variables.update(language)
    add(fleet, kai_install_webhook_port=8127)
    assert port_of(fleet) == "8127"
    assert '"failures": []' in fleet.run("status", "bot", "--json").stdout


def test_a_ticket_of_sudo_does_not_count(fleet: Desk, tmp_path: Path) -> None:
    # a sudo that takes its ticket for this terminal alone, as sudo -v leaves it
    program = fleet.write("bin/sudo", "#!/bin/sh\ncase \" $* \" in *' -k '*) exit 1;; esac\n")
    program.chmod(0o755)
    code = (
        "import os; os.geteuid = lambda: 1000\n"
        "from kai_ansible.operator import may_become_root; print(may_become_root())"
    )
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.stdout == "False\n", done.stderr


@pytest.mark.sample(1, "the same way with another connection")
@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("group_vars/all.yml", "local"),
        ("host_vars/bot/connection.yml", "local"),
        ("host_vars/bot/connection.yml", "ansible.builtin.local"),
    ],
)
def test_what_is_local_ansible_says(fleet: Desk, place: str, name: str) -> None:
    fleet.write("inventory/hosts.yml", {"all": {"hosts": {"bot": None}}})
    python = "{{ ansible_playbook_python }}"
    fleet.write(
        f"inventory/{place}", {"ansible_connection": name, "ansible_python_interpreter": python}
    )
    # the keyring's entry names the login, which is this very machine's
    done = fleet.run("status", "bot", "--json")
    assert json.loads(done.stdout)["failures"] == [], done.stdout
    child = fleet.spawn("sudo-password", "bot")
    child.expect(r"sudo password of \S+@localhost: ")
    child.close(force=True)


def test_an_inactive_python_of_a_version_manager_is_named(fleet: Desk) -> None:
    shim = fleet.write(
        "bin/python3.13",
        "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n",
    )
    shim.chmod(0o755)
    python = {"ansible_python_interpreter": str(shim), "ansible_connection": "local"}
    fleet.write("inventory/hosts.yml", {"all": {"hosts": {"bot": python}}})
    done = fleet.run("status", "bot")
    assert "pyenv: python3.13: command not found" in done.stdout + done.stderr
    assert "set ansible_python_interpreter of bot" in done.stdout + done.stderr


@pytest.mark.sample(1, "the same way with a value that is encrypted by itself")
@pytest.mark.parametrize("inline", [False, True])
def test_config_leaves_a_secret_where_the_operator_refers_to_it(fleet: Desk, inline: bool) -> None:
    (fleet.host_vars("bot") / "token.yml").unlink()
    value = "!vault |\n  " + lock(TOKEN).replace("\n", "\n  ") if inline else "'{{ vault_token }}'"
    settings = fleet.host_vars("bot") / "kai.yml"
    before = settings.read_text() + f"kai_install_telegram_bot_token: {value}\n"
    settings.write_text(before)
    add(fleet, vault_token=TOKEN)
    fleet.write("ansible.cfg", "[defaults]\nvault_password_file = password\n")
    fleet.write("password", PASSWORD)
    done = fleet.run("config", "bot", "--no-input", "--no-probe", "--set", "PR_REVIEW_ENABLED=yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert settings.read_text().startswith(before.rstrip("\n"))
    done = fleet.run("users", "add", "bot", "--telegram-id", "2", "--name", "Ben", "--os-user", "b")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_missing_password_file_is_reported_before_the_first_question(desk: Desk) -> None:
    wizard = Wizard(desk.spawn("config", "--no-probe", "--vault-password-file", "missing"))
    assert wizard.next_prompt() is None
    assert "missing" in wizard.transcript
    assert wizard.end() == 2


def test_a_question_that_a_password_script_asks_is_shown(fleet: Desk) -> None:
    asks = "printf 'Master word? ' >&2; read answer </dev/tty; printf '%s' \"$answer\""
    script = fleet.write("ask.sh", f"#!/bin/sh\n{asks}\n")
    script.chmod(0o755)
    fleet.variables["ANSIBLE_VAULT_PASSWORD_FILE"] = str(script)
    fleet.write("inventory/host_vars/bot/vault.yml", lock("kai_install_webhook_port: 8125\n"))
    child = fleet.spawn("settings", "WEBHOOK_PORT", "bot")
    child.expect_exact("Master word? ")
    child.sendline(PASSWORD)
    child.expect(pexpect.EOF)
    assert "8125" in child.before
    assert exit_code(child) == 0


def test_a_program_that_a_password_script_leaves_behind_is_not_waited_for(fleet: Desk) -> None:
    # such as an agent that starts with its first use; it keeps the script's standard error
    stays = "sleep 600 >/dev/null & echo $! >agent"
    script = fleet.write("ask.sh", f"#!/bin/sh\n{stays}\nprintf '%s' '{PASSWORD}'\n")
    script.chmod(0o755)
    fleet.variables["ANSIBLE_VAULT_PASSWORD_FILE"] = str(script)
    fleet.write("inventory/host_vars/bot/vault.yml", lock("kai_install_webhook_port: 8126\n"))
    assert port_of(fleet) == "8126"
    os.kill(int((fleet.work / "agent").read_text()), signal.SIGKILL)


def test_a_variable_that_a_template_omits_is_not_set(fleet: Desk) -> None:
    add(fleet, kai_install_webhook_port="{{ lookup('env', 'BOT_PORT') | default(omit, true) }}")
    assert port_of(fleet) == "8080"
    fleet.variables["BOT_PORT"] = "8127"
    assert port_of(fleet) == "8127"


def test_a_linked_inventory_is_read_where_the_link_is(fleet: Desk) -> None:
    shared = fleet.work / "shared"
    fleet.inventory.rename(shared)
    fleet.inventory.mkdir()
    (fleet.inventory / "hosts.yml").symlink_to(shared / "hosts.yml")
    fleet.write("inventory/group_vars/all.yml", {"kai_install_webhook_port": 8128})
    fleet.write("shared/host_vars/bot/more.yml", {"kai_install_webhook_port": 9999})
    options = ["--inventory", str(fleet.inventory / "hosts.yml")]
    assert fleet.run("settings", "WEBHOOK_PORT", "bot", *options).stdout == "8128\n"


def test_an_encrypted_inventory_names_hosts_as_any_other(fleet: Desk) -> None:
    hosts = fleet.inventory / "hosts.yml"
    hosts.write_text(lock(hosts.read_text()))
    password = str(fleet.write("password", PASSWORD))
    done = fleet.run("settings", "bot", "--vault-password-file", password)
    assert done.returncode == 0, done.stderr
    refused = fleet.run("settings", "bto", "--vault-password-file", password)
    assert "no setting 'bto'" in refused.stderr


@pytest.mark.parametrize("command", ["config", "install"])
def test_a_value_that_a_later_file_replaces_is_not_written(fleet: Desk, command: str) -> None:
    fleet.write("inventory/host_vars/bot/ports.yml", {"kai_install_webhook_port": 8200})
    before = fleet.tree()
    more = ["--no-input", "--no-probe"] if command == "config" else ["--check"]
    done = fleet.run(command, "bot", *more, "--set", "WEBHOOK_PORT=8300")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "inventory/host_vars/bot/ports.yml, which sets it as well" in done.stderr
    assert fleet.tree() == before
    # an earlier file is replaced by ours
    (fleet.inventory / "host_vars/bot/ports.yml").rename(fleet.inventory / "host_vars/bot/a.yml")
    done = fleet.run("config", "bot", "--no-input", "--no-probe", "--set", "WEBHOOK_PORT=8300")
    assert done.returncode == 0, done.stderr
    assert port_of(fleet) == "8300"


def test_of_two_inventories_none_is_left_out_silently(fleet: Desk) -> None:
    given = ["--inventory", "other", "-i", "inventory", "--vault-id", "a@b", "--vault-id", "c@d"]
    done = fleet.run("settings", "WEBHOOK_PORT", "bot", *given)
    assert done.returncode == 2
    assert "--inventory" in done.stderr
    assert "2 of them" in done.stderr


@pytest.mark.parametrize("command", ["status", "doctor"])
def test_a_connection_that_is_not_installed_is_named(fleet: Desk, command: str) -> None:
    add(fleet, ansible_connection="example.site.telnet")
    done = fleet.run(command, "bot")
    assert done.returncode == 1
    assert "example.site.telnet" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("~/users.yaml", ""),
        ("{{ inventory_dir }}/../users.yaml", ""),
        ("users.yaml", "a relative path"),
        ("/nowhere/users.yaml", "does not exist on the controller"),
    ],
)
def test_a_users_file_is_found_where_the_role_finds_it(fleet: Desk, path: str, said: str) -> None:
    settings = yaml.safe_load((fleet.inventory / "host_vars/bot/kai.yml").read_text())
    users = yaml.safe_dump({"users": settings.pop("kai_install_users")})
    fleet.write("inventory/host_vars/bot/kai.yml", settings)
    for place in (fleet.home, fleet.work):
        (place / "users.yaml").write_text(users)
    add(fleet, kai_install_users_file=path)
    done = fleet.run("users", "list", "bot")
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert ("Ada" in done.stdout) == (not said)
    assert "found no users" not in done.stdout


@pytest.mark.parametrize(
    "set_by",
    ["ansible.cfg", "as Ansible reads it", "ANSIBLE_CONFIG", "~", "home", "ANSIBLE_INVENTORY"],
)
def test_the_inventory_of_ansible_needs_no_option(fleet: Desk, set_by: str) -> None:
    (fleet.work / "ours").mkdir()
    fleet.inventory.rename(fleet.work / "ours/bots")
    setting = "[defaults]\ninventory = {}\n"
    if set_by == "ansible.cfg":
        fleet.write("ansible.cfg", setting.format("ours/bots"))
    elif set_by == "as Ansible reads it":
        fleet.write("ansible.cfg", "[defaults]\n  Inventory: ours/bots ; those of us\n")
    elif set_by == "ANSIBLE_CONFIG":
        # a path in the file begins where the file is
        fleet.write("ours/mine.cfg", setting.format("bots"))
        fleet.variables["ANSIBLE_CONFIG"] = "ours/mine.cfg"
    elif set_by == "~":
        (fleet.home / "mine.cfg").write_text(setting.format(fleet.work / "ours/bots"))
        fleet.variables["ANSIBLE_CONFIG"] = "~/mine.cfg"
    elif set_by == "home":
        (fleet.home / ".ansible.cfg").write_text(setting.format(fleet.work / "ours/bots"))
    else:
        fleet.write("ansible.cfg", setting.format("elsewhere"))
        fleet.variables["ANSIBLE_INVENTORY"] = "ours/bots"
    done = fleet.run("config", "--no-input", "--no-probe", "--set", "WEBHOOK_PORT=8129")
    assert done.returncode == 0, done.stderr
    assert "8129" in (fleet.work / "ours/bots/host_vars/bot/kai.yml").read_text()
    assert not fleet.inventory.exists()
    # what is printed to be run next needs no option either
    assert "--inventory" not in done.stdout
    refused = fleet.run("settings", "bto", "--inventory", "ours")
    assert "no setting 'bto'" in refused.stderr


@pytest.mark.parametrize("set_by", ["ANSIBLE_INVENTORY", "ansible.cfg"])
def test_one_of_several_inventories_has_to_be_named(fleet: Desk, set_by: str) -> None:
    if set_by == "ansible.cfg":
        fleet.write("ansible.cfg", "[defaults]\ninventory = inventory\n  , others\n")
    else:
        fleet.variables["ANSIBLE_INVENTORY"] = "inventory,others"
    refused = fleet.run("settings", "WEBHOOK_PORT")
    assert refused.returncode == 2
    assert "several inventories: " in refused.stderr
    assert set_by in refused.stderr
    assert port_of(fleet, "--inventory", "inventory") == "8080"


@pytest.mark.parametrize("host", ["", ",", "\r"])
@pytest.mark.parametrize("command", [["settings", "WEBHOOK_PORT"], ["uninstall"]])
def test_a_host_without_a_name_is_not_every_host(
    fleet: Desk, command: list[str], host: str
) -> None:
    refused = fleet.run(*command, host)
    assert refused.returncode == 2
    assert "a host or a pattern" in refused.stderr


def test_a_file_of_a_host_is_read_and_not_hidden(fleet: Desk) -> None:
    directory = fleet.host_vars("bot")
    together = "".join(path.read_text() for path in sorted(directory.iterdir()))
    shutil.rmtree(directory)
    fleet.write("inventory/host_vars/bot.yml", f"{together}kai_install_webhook_port: 8130\n")
    before = fleet.tree()
    assert port_of(fleet) == "8130"
    listed = fleet.run("users", "list", "bot")
    assert listed.returncode == 0, listed.stderr
    assert "Ada" in listed.stdout
    for changing in (
        ["config", "bot", "--no-input", "--no-probe", "--set", "WEBHOOK_PORT=1"],
        ["install", "bot", "--check", "--set", "WEBHOOK_PORT=1"],
        ["users", "remove", "Ada", "bot", "--no-input", "--yes"],
    ):
        refused = fleet.run(*changing)
        assert refused.returncode == 2, refused.stdout + refused.stderr
        assert "inventory/host_vars/bot/main.yml" in refused.stderr
    assert fleet.tree() == before


def test_a_file_with_an_ending_of_the_operators_is_not_hidden(fleet: Desk) -> None:
    directory = fleet.host_vars("bot")
    together = "".join(path.read_text() for path in sorted(directory.iterdir()))
    shutil.rmtree(directory)
    fleet.write("inventory/host_vars/bot.vars", together)
    fleet.write("ansible.cfg", "[defaults]\nyaml_valid_extensions = .yml, .vars\n")
    before = fleet.tree()
    refused = fleet.run("config", "bot", "--no-input", "--no-probe", "--set", "WEBHOOK_PORT=1")
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "inventory/host_vars/bot/main.vars" in refused.stderr
    assert fleet.tree() == before


def test_nothing_is_written_into_a_file_that_ansible_passes_over(fleet: Desk) -> None:
    (fleet.inventory / "hosts.yml").rename(fleet.inventory / "hosts.yaml")
    fleet.write("ansible.cfg", "[defaults]\nyaml_valid_extensions = .yaml\n")
    shutil.rmtree(fleet.host_vars("bot"))
    before = fleet.tree()
    refused = fleet.run("config", "bot", "--no-input", "--no-probe", "--set", "WEBHOOK_PORT=1")
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "yaml_valid_extensions" in refused.stderr
    assert fleet.tree() == before


def ask_at_the_terminal(fleet: Desk, output: str) -> pexpect.spawn:
    """Let a command ask for a vault password, with its output in a file or not."""
    token = fleet.host_vars("bot") / "token.yml"
    token.write_text(lock(token.read_text()))
    fleet.variables["ANSIBLE_ASK_VAULT_PASS"] = "True"
    child = fleet.spawn(
        "-c", f"exec {KAI_ANSIBLE} settings WEBHOOK_PORT bot {output}", program="/bin/sh"
    )
    child.expect("Vault password: ")
    return child


def test_a_password_is_asked_where_the_output_goes_elsewhere(fleet: Desk) -> None:
    child = ask_at_the_terminal(fleet, ">out")
    child.sendline(PASSWORD)
    child.expect(pexpect.EOF)
    assert (fleet.work / "out").read_text() == "8080\n"


def test_ctrl_d_at_the_prompt_for_a_password_is_no_missing_terminal(fleet: Desk) -> None:
    child = ask_at_the_terminal(fleet, "")
    child.sendeof()
    child.expect(pexpect.EOF)
    assert "Ctrl-D ended the prompt" in child.before
    assert "no terminal" not in child.before


def test_a_file_that_ansible_never_reads_is_not_blamed(fleet: Desk) -> None:
    fleet.write("inventory/group_vars/nobody.yml", "a: [1\n")
    assert port_of(fleet) == "8080"
    fleet.write("inventory/zz.yml", "plugin: no.such.plugin\n")
    refused = fleet.run("settings", "WEBHOOK_PORT", "bot")
    assert refused.returncode == 2
    assert "inventory/zz.yml" in refused.stderr
    assert "nobody.yml" not in refused.stderr
    (fleet.inventory / "group_vars/nobody.yml").write_bytes(b"a: \xff\n")
    assert "nobody.yml" not in fleet.run("settings", "WEBHOOK_PORT", "bot").stderr


def test_every_file_that_may_be_the_cause_is_named(fleet: Desk) -> None:
    # Ansible names none of them
    fleet.write("inventory/host_vars/bot/more.yml", "a: [1\n")
    fleet.write("inventory/group_vars/all.yml", "b: [1\n")
    refused = fleet.run("settings", "WEBHOOK_PORT", "bot")
    assert refused.returncode == 2
    assert "inventory/host_vars/bot/more.yml" in refused.stderr
    assert "inventory/group_vars/all.yml" in refused.stderr


def test_the_command_of_a_fix_can_be_pasted(fleet: Desk) -> None:
    fleet.inventory.rename(fleet.work / "my bots")
    place = fleet.work / "my bots" / "host_vars" / "bot"
    os.mkfifo(place / "a b.yml")
    refused = fleet.run("settings", "bot", "--inventory", "my bots")
    assert "ls -l 'my bots/host_vars/bot/a b.yml'" in refused.stderr
    (place / "a b.yml").unlink()
    (place.parent.parent / "more.ini").write_text("[x\n")
    refused = fleet.run("settings", "bot", "--inventory", "my bots")
    assert "ansible-inventory -i 'my bots' --list" in refused.stderr
    assert refused.returncode == 2


def test_no_command_is_advised_that_shows_another_fault(fleet: Desk) -> None:
    add(fleet, kai_install_webhook_port="{{ nowhere }}")
    refused = fleet.run("settings", "bot")
    assert refused.returncode == 2
    # it evaluates no template, and the vault of the host is closed to it
    assert "ansible-inventory" not in refused.stderr


# stands for a host whose sudo asks for a password, and logs what it reads
ASKING = """#!/bin/bash
prompt=$(grep -oE '\\[sudo via ansible, key=[a-z0-9]+\\] password:' <<<"$*" | head -1)
[ -n "$prompt" ] || exit 1
printf %s "$prompt"
IFS= read -r -t 5 password
echo "$(grep -oE 'host-[a-z]+' <<<"$*" | head -1) $password" >> LOG
exit 1
"""


@pytest.mark.parametrize("typed", [False, True])
def test_no_host_gets_the_password_of_another(fleet: Desk, typed: bool) -> None:
    log = fleet.work / "passwords"
    program = fleet.write("asking", ASKING.replace("LOG", str(log)))
    program.chmod(0o755)
    # which of them is read first is chance
    own = {f"host-{letter}": {"ansible_become_password": f"of {letter}"} for letter in "abcdef"}
    variables = {
        "ansible_ssh_executable": str(program),
        "ansible_python_interpreter": sys.executable,
        "ansible_user": "operator",
        "ansible_pipelining": True,
    }
    hosts = {**own, "host-bare": {}}
    fleet.write("inventory/hosts.yml", {"all": {"vars": variables, "hosts": hosts}})
    expected = {f"host-{letter} of {letter}" for letter in "abcdef"}
    if typed:
        fleet.variables["ANSIBLE_BECOME_ASK_PASS"] = "True"
        child = fleet.spawn("logs", "all")
        child.expect("BECOME password: ")
        child.sendline("typed")
        child.expect(pexpect.EOF)
        expected.add("host-bare typed")
    else:
        assert fleet.run("logs", "all").returncode == 1
    assert set(log.read_text().splitlines()) == expected
