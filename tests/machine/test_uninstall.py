"""After an uninstall a host is as before the first install but for data, and then without that."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.machine.site import Site, mortal_python
from tests.testbed import kai_1_install
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "line 1, a purge and an adoption; test_line_2.py uninstalls a host in every run"
)

OWN = {"/etc/kai/notes.txt": "ask Ada\n", "/opt/kai/NOTES": "mine\n"}


class Story(Site):
    """A site that remembers what was there before its first install."""

    def remember(self) -> None:
        self.before, self.service_before, self.sudo_before = self.told()

    def told(self) -> tuple[dict[str, Any], str, str]:
        """Return the files of the host, what systemd knows of the bot and what sudo allows."""
        files = self.everything()
        shown = "--property=LoadState,ActiveState,UnitFileState,MainPID,FragmentPath"
        service = self.machine.run(["systemctl", "show", "kai.service", shown]).stdout
        rules = [
            self.machine.run(["sudo", "-l", "-U", account], check=False).stdout
            for account in ("alice", "kai")
        ]
        return files, service, "".join(rules)


@pytest.fixture(scope="module")
def site(machine: Machine) -> Iterator[Story]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        yield Story(machine, Path(directory), ansible_python_interpreter=mortal_python(machine))


def outside(state: dict[str, Any], *places: str) -> dict[str, Any]:
    """Return what of a host is in none of some directories."""
    return {path: entry for path, entry in state.items() if not f"{path}/".startswith(places)}


# these tests build on each other and run in this order


def test_uninstall_of_nothing_is_no_change(site: Story) -> None:
    before = site.everything()
    done = site.run("uninstall", "--yes")
    assert done.code == 0, done.text
    assert (done.report["changes"], done.report["left"]) == ([], [])
    assert site.everything() == before


def test_what_installs_made_goes_and_data_stays(site: Story) -> None:
    site.remember()
    site.install()
    site.new_release("b")
    site.install()
    site.machine.run(
        ["install", "-o", "alice", "/dev/stdin", "/var/lib/kai/home/1/work.txt"], input="work\n"
    )
    for path, text in OWN.items():
        site.machine.run(["install", "-m", "0600", "/dev/stdin", path], input=text)

    installed = site.told()
    would = site.run("uninstall", "--check")
    assert would.code == 0, would.text
    bot = "/var/lib/kai/"
    assert outside(site.told()[0], bot) == outside(installed[0], bot)
    assert site.told()[1:] == installed[1:]

    done = site.run("uninstall", "--yes")
    assert done.code == 0, done.text
    for what in ("changes", "left"):
        assert done.report[what] == would.report[what]
    after, service, sudo = site.told()
    kept = {path for path in after if path not in site.before}
    others = {path for path in kept if not path.startswith(("/var/lib/kai", "/home/kai"))}
    records = {"/opt/kai/installs", "/opt/kai/installs/made"}
    assert others == {*OWN, "/opt/kai", "/etc/kai", *records}
    assert {"/var/lib/kai/home/1/work.txt", "/var/lib/kai/kai.db"} <= kept
    assert service == site.service_before
    # the account that owns the data is still there
    assert sudo.startswith(site.sudo_before.splitlines()[0])
    assert "NOPASSWD" not in sudo
    told = "\n".join(done.report["left"])
    for text in ("/var/lib/kai: ", "notes.txt", "NOTES", "account kai: "):
        assert text in told


def test_a_purge_ends_what_was_killed_and_leaves_no_trace(site: Story) -> None:
    site.install()
    assert site.health()["release"]
    deadly = "subprocess.Popen ['systemctl', 'daemon-reload']"
    site.machine.run(["install", "-m", "0644", "/dev/stdin", "/run/mortal"], input=deadly)
    assert site.run("uninstall", "--yes", "--purge").code == 1
    site.machine.run(["rm", "/run/mortal", "/run/mortal-died"])
    done = site.run("uninstall", "--yes", "--purge")
    assert done.code == 0, done.text
    after, service, sudo = site.told()
    assert {path for path in after if path not in site.before} == {*OWN, "/opt/kai", "/etc/kai"}
    assert {path: after.get(path) for path in site.before} == site.before
    assert (service, sudo) == (site.service_before, site.sudo_before)
    site.machine.run(["rm", "-r", "/opt/kai", "/etc/kai"])


def test_a_bot_of_kais_own_installer_runs_as_before(site: Story) -> None:
    kai_1_install.lay_out(site.machine)
    source = f"source={site.desk.source}"
    imported = site.run("config", "--no-input", "--import", "host", "--set", source)
    assert imported.code == 0, imported.text
    site.remember()
    site.install()
    assert site.health()["release"]
    # in which nothing of it may go
    done = site.run("uninstall", "--yes", "--purge")
    assert done.code == 0, done.text
    after, service, sudo = site.told()
    writes = ("/var/lib/kai/kai.db", "/var/lib/kai/logs/")
    assert outside(after, *writes) == outside(site.before, *writes)
    assert sudo == site.sudo_before
    shown = [line for line in service.splitlines() if not line.startswith("MainPID")]
    assert shown == [
        line for line in site.service_before.splitlines() if not line.startswith("MainPID")
    ]
    assert {"ActiveState=active", "UnitFileState=disabled"} <= set(shown)
