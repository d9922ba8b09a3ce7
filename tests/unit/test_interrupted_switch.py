"""A switch that is cut short before any of its steps is repaired by the next call.

The module runs in this process against a small file tree. Before its n-th step (a file made,
renamed or removed, a word to systemd) it ends as if it were killed, for every n.
"""

import importlib
import itertools
import os
import pwd
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.ansible.collection import lines
from kai_ansible.rules.release_line import code_signs

pytestmark = pytest.mark.slow

UNIT_FILE = "etc/systemd/kai.service"
RULES = "etc/sudoers.d/kai"
OLD = {
    "etc/kai/env": "OLD=1\n",
    "etc/kai/users.yaml": "users: []\n",
    RULES: "# old\n",
    UNIT_FILE: "old\n",
}
MANAGED = {"given": True, "absent": False}
NEW = {
    "etc/kai/env": "NEW=1\n",
    "etc/kai/users.yaml": "users: []\n",
    RULES: "# new\n",
    UNIT_FILE: "new\n",
}
PROOF = {
    "service_user": "kai",
    "timeout": 6,
    "environment": {},
    "secret_keys": [],
    "commands": [],
    "agents": [],
    "private_directories": [],
}
STEPS = ("rename", "symlink", "unlink", "mkdir", "rmdir")


class Killed(BaseException):
    """What no handler of the module catches, as none would see a SIGKILL."""


DEFAULTS: dict[str, Any] = {
    "state": "switched",
    "record": None,
    "with_database": None,
    "code_signs": [],
    "database": None,
    "with_data": False,
    "data_dir": None,
    "visudo": [],
    "sudoers_files": [],
    "unread_files": [],
    "secret_files": [],
    "service_user": None,
    "files": [],
    "secret_contents": {},
    "release": None,
    "turns": None,
}


class Systemd:
    """A unit that runs with what was live when it was started last."""

    def __init__(self, host: "Host") -> None:
        self.host = host
        self.active = self.enabled = False
        self.runs: Any = None

    def state(self, _unit: str) -> Any:
        word = "active" if self.active else "inactive"
        return self.host.modules.system.ServiceState(word, self.enabled)

    def ask(self, verb: str, *_more: str) -> None:
        self.host.step()
        if verb in ("enable", "disable"):
            self.enabled = verb == "enable"
        if verb in ("restart", "stop"):
            self.active = verb == "restart"
        if verb == "restart":
            self.runs = self.host.live()


class Host:
    """A directory that stands for a host, with releases a, b and c."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, modules: Any) -> None:
        self.root = root
        self.modules = modules
        self.monkeypatch = monkeypatch
        self.steps_left: int | None = None
        self.install_dir = root / "opt/kai"
        for release in "abc":
            (self.install_dir / "releases" / release).mkdir(parents=True)
        for name in (*OLD, "etc/kai/services.yaml"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
        self.systemd = Systemd(self)
        monkeypatch.setattr(modules.system, "service_state", self.systemd.state)
        monkeypatch.setattr(modules.system, "_systemctl", self.systemd.ask)
        monkeypatch.setattr(modules.switch, "check_policy", lambda *_: None)
        monkeypatch.setattr(os, "fchown", lambda *_: None)
        for name in STEPS:
            self.count(name)

    def count(self, name: str) -> None:
        """Let a function of os be a step."""
        real = getattr(os, name)

        def counted(*arguments: Any, **named: Any) -> Any:
            self.step()
            return real(*arguments, **named)

        self.monkeypatch.setattr(os, name, counted)

    def step(self) -> None:
        if self.steps_left is None:
            return
        if self.steps_left == 0:
            raise Killed
        self.steps_left -= 1

    @contextmanager
    def killed_before(self, step: int) -> Iterator[None]:
        """Kill what is done here before this step; nothing of it goes on after."""
        self.steps_left = step
        try:
            yield
        except Killed:
            pass
        finally:
            self.steps_left = None

    def run(self, **params: Any) -> dict[str, Any]:
        given = {
            "install_dir": str(self.install_dir),
            "unit": "kai",
            "unit_file": str(self.root / UNIT_FILE),
            "sudoers_files": [str(self.root / RULES)],
            **params,
        }
        switch = self.modules.switch.Switch({**DEFAULTS, **given}, dry=False, diff=False)
        result: dict[str, Any] = switch.run()
        return result

    def switch(self, release: str, files: Mapping[str, str | None]) -> dict[str, Any]:
        """Switch to a release and files; one without a text is not given."""
        entries = [
            {
                "path": str(self.root / name),
                "content": text or "",
                "mode": "0600",
                "given": text is not None,
                "absent": False,
            }
            for name, text in files.items()
        ]
        return self.run(release=release, files=entries)

    def restore(self) -> dict[str, Any]:
        return self.run(state="restored")

    def keep(self) -> None:
        """Do what kai_installs does after a proof."""
        installs = self.modules.records.Installs(str(self.install_dir))
        journal = installs.journal()
        assert journal
        installs.remember_original()
        installs.adopt(journal, PROOF)
        installs.forget_former(installs.keep_journal(journal, PROOF))

    def live(self) -> Any:
        """Return every file's text, the live release and whether the unit starts at boot."""
        texts = {
            str(path.relative_to(self.root)): path.read_text(encoding="utf-8")
            for path in sorted((self.root / "etc").rglob("*"))
            if path.is_file()
        }
        link = self.install_dir / "current"
        return texts, link.readlink().name if link.is_symlink() else None, self.systemd.enabled

    def runs_what_is_live(self) -> bool:
        """Return whether the bot was started with what is live; it does not read the rules."""
        return without_rules(self.systemd.runs) == without_rules(self.live())

    def may_do_what_it_has_to(self) -> bool:
        """Return whether the rules of the bot that runs are there."""
        texts = self.systemd.runs[0] if self.systemd.runs else {}
        needed = {"OLD=1\n": OLD[RULES], "NEW=1\n": NEW[RULES]}.get(texts.get("etc/kai/env"), "")
        return needed in (self.root / RULES).read_text(encoding="utf-8")

    def scratch(self) -> list[str]:
        """Return what an interrupted step may leave, anywhere."""
        return [str(path) for path in self.root.rglob("*") if ".kai-new" in path.name]


def without_rules(live: Any) -> Any:
    """Return what was live but for the rules of sudo."""
    return live and ({name: text for name, text in live[0].items() if name != RULES}, *live[1:])


@pytest.fixture
def modules(collection_plugins: None) -> Any:
    class Modules:
        base = "ansible_collections.kai.bot.plugins"
        switch = importlib.import_module(f"{base}.module_utils.host.switch")
        system = importlib.import_module(f"{base}.module_utils.host.system")
        records = importlib.import_module(f"{base}.module_utils.host.records")

    return Modules


@pytest.fixture
def hosts(tmp_path: Path, modules: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Yield a step and a fresh host for as long as a switch has so many steps."""
    monkeypatch.setattr(os, "umask", lambda _mask: 0)

    def fresh(name: str) -> Host:
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        return Host(tmp_path / name, monkeypatch, modules)

    return fresh


def with_old_install(host: Host) -> None:
    host.switch("a", OLD)
    host.keep()
    assert host.live() == (OLD, "a", True)
    assert host.runs_what_is_live()


def with_flat_install(host: Host) -> None:
    """What Kai's own installer leaves: a running bot without releases, never enabled."""
    (host.install_dir / "venv").mkdir()
    for name, text in OLD.items():
        (host.root / name).write_text(text, encoding="utf-8")
    host.systemd.active = True
    host.systemd.runs = host.live()


def points(hosts: Any, prepare: Any, act: Any) -> Iterator[Host]:
    """Yield a host on which ``act`` was killed before its first step, its second, and so on."""
    for step in itertools.count():
        host = hosts(str(step))
        prepare(host)
        ended = False
        with host.killed_before(step):
            act(host)
            ended = True
        yield host
        if ended:
            assert step > 10, "the steps were not counted"
            return


def test_a_killed_upgrade_can_be_taken_back(hosts: Any) -> None:
    for host in points(hosts, with_old_install, lambda host: host.switch("b", NEW)):
        assert host.may_do_what_it_has_to()
        host.restore()
        assert host.live() == (OLD, "a", True)
        assert host.systemd.active
        assert host.runs_what_is_live()
        assert host.scratch() == []
        assert not (host.install_dir / "installs/pending").exists()


def test_a_killed_upgrade_is_finished_by_the_next_run(hosts: Any) -> None:
    for host in points(hosts, with_old_install, lambda host: host.switch("b", NEW)):
        host.switch("b", NEW)
        assert host.live() == (NEW, "b", True)
        assert host.runs_what_is_live()
        host.keep()
        assert host.scratch() == []
        secrets = list((host.install_dir / "installs").rglob("former"))
        assert secrets == []


def test_the_former_state_stays_the_verified_one_however_often_a_run_is_killed(hosts: Any) -> None:
    def twice(host: Host) -> None:
        host.switch("b", NEW)
        host.switch("c", {**NEW, "etc/kai/env": "NEWER=1\n", "etc/kai/services.yaml": "x\n"})

    for host in points(hosts, with_old_install, twice):
        host.restore()
        assert host.live() == (OLD, "a", True)
        assert host.runs_what_is_live()


def test_every_release_that_goes_live_has_the_models(hosts: Any) -> None:
    host = hosts("models")
    models = host.install_dir / "models"
    (models / "piper").mkdir(parents=True)
    for release in "ab":
        host.switch(release, OLD)
        host.keep()
        assert (host.install_dir / "current/models/piper").samefile(models / "piper")
    # one that was built and verified before there were links
    (host.install_dir / "releases/a/models").unlink()
    host.run(record=1)
    assert (host.install_dir / "current").readlink().name == "a"
    assert (host.install_dir / "current/models").samefile(models)
    host.keep()
    (host.install_dir / "releases/a/models").unlink()
    assert host.switch("a", OLD)["changed"]
    assert (host.install_dir / "current/models").samefile(models)
    host.keep()
    assert not host.switch("a", OLD)["changed"]


def test_a_host_without_a_release_lacks_no_models(hosts: Any, modules: Any) -> None:
    installs = modules.records.Installs(str(hosts("none").install_dir))
    assert not installs.lacks_models(None)
    assert not installs.lacks_models("flat")
    assert not installs.lacks_models("not there")


def test_models_of_a_release_s_own_stay(hosts: Any) -> None:
    host = hosts("own")
    own = host.install_dir / "releases/a/models"
    own.mkdir()
    host.switch("a", OLD)
    assert not own.is_symlink()


def test_models_are_not_what_an_adoption_leaves_behind(hosts: Any) -> None:
    host = hosts("flat")
    for name in ("models", "NOTES"):
        (host.install_dir / name).mkdir()
    installs = host.modules.records.Installs(str(host.install_dir))
    assert installs.others() == [str(host.install_dir / "NOTES")]


def test_a_killed_first_install_can_be_taken_back(hosts: Any) -> None:
    for host in points(hosts, lambda _host: None, lambda host: host.switch("a", OLD)):
        host.restore()
        assert host.live() == ({}, None, False)
        assert not host.systemd.active
        assert not (host.install_dir / "installs").exists() or host.systemd.runs is None
        assert host.scratch() == []


def test_a_killed_restore_is_finished_by_the_next(hosts: Any) -> None:
    def prepare(host: Host) -> None:
        with_old_install(host)
        host.switch("b", NEW)

    for host in points(hosts, prepare, lambda host: host.restore()):
        assert host.may_do_what_it_has_to()
        host.restore()
        assert host.live() == (OLD, "a", True)
        assert host.runs_what_is_live()
        assert not (host.install_dir / "installs/pending").exists()


def test_the_database_of_another_line_does_not_stay_where_there_was_none(
    hosts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pwd.getpwnam", lambda _name: pwd.getpwuid(os.getuid()))

    def bot_and_kai_2(host: Host) -> None:
        monkeypatch.setattr(host.modules.switch, "end_processes", lambda *_, **_more: None)
        monkeypatch.setattr(host.modules.switch, "refuse_service_as_root", lambda _user: None)
        with_old_install(host)
        place = host.root / "kai.db"
        restart = host.systemd.ask

        def ask(verb: str, *more: str) -> None:
            restart(verb, *more)
            if verb == "restart" and host.live()[1] == "b":
                place.write_text("of line 2", encoding="utf-8")

        monkeypatch.setattr(host.modules.system, "_systemctl", ask)

    def given(host: Host) -> dict[str, Any]:
        return {"database": str(host.root / "kai.db"), "service_user": "kai"}

    def install_2(host: Host) -> None:
        files = [
            {"path": str(host.root / name), "content": text, "mode": "0600", **MANAGED}
            for name, text in NEW.items()
        ]
        host.run(release="b", line="2", files=files, **given(host))

    for host in points(hosts, bot_and_kai_2, install_2):
        was_there = (host.root / "kai.db").exists()
        # the next run goes on, and takes no snapshot of what the bot of line 2 made
        install_2(host)
        assert not (host.install_dir / "installs/pending/kai.db").exists()
        result = host.run(state="restored", **given(host))
        assert result["database"] == "none"
        assert host.live() == (OLD, "a", True)
        assert host.runs_what_is_live()
        assert not (host.root / "kai.db").exists()
        [aside] = host.root.glob("kai.db.before-rollback-*")
        assert aside.read_text(encoding="utf-8") == "of line 2"
    assert was_there


def test_a_bot_that_had_no_database_comes_back_without_one(
    hosts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = hosts("none")
    module = host.modules.switch
    monkeypatch.setattr("pwd.getpwnam", lambda _name: pwd.getpwuid(os.getuid()))
    monkeypatch.setattr(module, "end_processes", lambda *_, **_more: None)
    monkeypatch.setattr(module, "refuse_service_as_root", lambda _user: None)
    monkeypatch.setattr(module.Switch, "keep_database", lambda _self, **_more: None)
    with_old_install(host)
    host.switch("b", NEW)
    host.keep()
    place = host.root / "kai.db"
    place.write_text("of line 2", encoding="utf-8")
    given = {"database": str(place), "service_user": "kai"}
    assert host.run(record=1, with_database=0, **given)["database"] == "none"
    assert host.live() == (OLD, "a", True)
    assert not place.exists()
    [aside] = host.root.glob("kai.db.before-rollback-*")
    assert aside.read_text(encoding="utf-8") == "of line 2"
    # the rollback is taken back
    host.run(state="restored", **given)
    assert host.live() == (NEW, "b", True)
    assert place.read_text(encoding="utf-8") == "of line 2"


def test_a_snapshot_that_is_gone_does_not_count_as_no_database(hosts: Any) -> None:
    host = hosts("lost")
    with_old_install(host)
    host.switch("b", NEW)
    snapshot = host.install_dir / "installs/pending/kai.db"
    snapshot.write_text("of then", encoding="utf-8")
    host.keep()
    (host.install_dir / "installs/2/kai.db").unlink()
    installs = host.modules.records.Installs(str(host.install_dir))
    assert [record["snapshot"] for record in installs.records()] == [False, True]
    with pytest.raises(host.modules.records.Damaged, match="no copy of a database"):
        host.run(record=1, with_database=2, database=str(host.root / "kai.db"))
    assert host.live() == (NEW, "b", True)


@pytest.mark.parametrize("line", ["1", "2.0", "2"])
def test_the_code_tells_the_line_of_a_bot_of_kais_own_installer(hosts: Any, line: str) -> None:
    host = hosts("flat")
    with_flat_install(host)
    signs = code_signs(lines())
    [own] = [one for one in signs if one["line"] == line]
    # what it deploys tells nothing: any file may be missing
    for name in own["has"]:
        (host.install_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (host.install_dir / name).touch()
    files = [
        {"path": str(host.root / name), "content": text, "mode": "0600", **MANAGED}
        for name, text in {**NEW, "etc/kai/services.yaml": "x\n"}.items()
    ]
    host.run(release="a", line="2", files=files, code_signs=signs)
    host.keep()
    installs = host.modules.records.Installs(str(host.install_dir))
    assert [record["line"] for record in installs.records()] == [line, "2"]


@pytest.mark.later("an adoption; every change kills an upgrade", apart=True)
def test_a_killed_adoption_can_be_taken_back_and_finished(hosts: Any) -> None:
    def adopt(host: Host) -> None:
        host.switch("a", NEW)
        host.keep()

    for host in points(hosts, with_flat_install, adopt):
        installs = host.modules.records.Installs(str(host.install_dir))
        kept = (host.install_dir / "installs/2").is_dir()
        if not kept:
            host.restore()
            assert host.live() == (OLD, None, False)
            assert installs.live() == "flat"
            assert host.systemd.active
            assert host.runs_what_is_live()
            assert host.scratch() == []
            adopt(host)
        assert host.live() == (NEW, "a", True)
        assert [record["release"] for record in installs.records()] == ["flat", "a"]
        host.run(record=1)
        host.keep()
        assert host.live() == (OLD, None, True)
        assert host.runs_what_is_live()
        assert installs.live() == "flat"
        assert [record["release"] for record in installs.records()] == ["flat", "a", "flat"]


def test_an_install_is_on_record_or_can_still_be_taken_back(hosts: Any) -> None:
    def prepare(host: Host) -> None:
        with_old_install(host)
        host.switch("b", NEW)

    for host in points(hosts, prepare, lambda host: host.keep()):
        kept = (host.install_dir / "installs/2").is_dir()
        assert host.restore()["changed"] is not kept
        assert host.live() == ((NEW, "b", True) if kept else (OLD, "a", True))


def test_what_is_live_is_recorded_again_where_its_record_was_moved_away(hosts: Any) -> None:
    host = hosts("host")
    for files in (OLD, NEW):
        host.switch("a", files)
        host.keep()
    assert host.switch("a", NEW)["changed"] is False
    (host.install_dir / "installs/2").rename(host.root / "aside")
    assert host.switch("a", NEW)["changed"] is True
    host.keep()
    assert host.switch("a", NEW)["changed"] is False
    assert (host.install_dir / "installs/2").is_dir()


def test_a_rollback_leaves_alone_what_no_install_wrote(hosts: Any) -> None:
    host = hosts("host")
    services, workspaces = "etc/kai/services.yaml", "etc/kai/workspaces.yaml"
    host.switch("a", {**OLD, services: None, workspaces: None})
    host.keep()
    host.switch("b", {**NEW, services: "given\n", workspaces: None})
    host.keep()
    own = {workspaces: "the operator's own\n"}
    (host.root / workspaces).write_text(own[workspaces], encoding="utf-8")

    host.run(record=1)
    host.keep()
    assert host.live() == ({**OLD, **own}, "a", True)
    host.run(record=2)
    host.keep()
    assert host.live() == ({**NEW, services: "given\n", **own}, "b", True)
    assert host.runs_what_is_live()


@pytest.mark.sample(1, "the same way with another place of the kill")
@pytest.mark.parametrize("flat_works", [None, True, False], ids=["nothing", "a bot", "its rest"])
def test_what_was_there_before_the_first_install_comes_back_wherever_it_was_killed(
    hosts: Any, modules: Any, monkeypatch: pytest.MonkeyPatch, flat_works: bool | None
) -> None:
    monkeypatch.setattr(modules.records, "environment_works", lambda _place: flat_works)
    services = "etc/kai/services.yaml"

    def prepare(host: Host) -> None:
        if flat_works is not None:
            with_flat_install(host)
        host.switch("a", {**NEW, services: None})
        host.keep()
        (host.root / services).write_text("the operator's own\n", encoding="utf-8")
        host.switch("b", {**NEW, services: "given\n"})
        host.keep()
        # not verified
        host.switch("c", NEW)

    for host in points(hosts, prepare, lambda host: host.run(state="original")):
        host.run(state="original")
        there = {**({} if flat_works is None else OLD), services: "the operator's own\n"}
        assert host.live() == (there, None, False)
        assert host.systemd.active is bool(flat_works)
        if flat_works:
            assert host.runs_what_is_live()
        assert host.scratch() == []


def test_a_removal_that_cannot_write_is_refused_before_the_bot_is_stopped(
    hosts: Any, modules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = hosts("sealed")
    with_old_install(host)
    sealed = str(host.root / "etc/kai")
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != sealed and may(path, mode))
    before = host.live()
    with pytest.raises(modules.switch.Refused, match=r"Read-only file system.*findmnt"):
        host.run(state="original")
    assert (host.live(), host.systemd.active) == (before, True)


def test_what_goes_of_a_flat_install_is_its_own(tmp_path: Path, modules: Any) -> None:
    elsewhere, install_dir = tmp_path / "elsewhere", tmp_path / "kai"
    for path in (elsewhere / "mine", install_dir / "src/kai/code", install_dir / "venv/code"):
        path.parent.mkdir(parents=True)
        path.write_text("text", encoding="utf-8")
    (install_dir / "own").write_text("text", encoding="utf-8")
    (install_dir / "config").symlink_to(elsewhere)
    (install_dir / "src/link").symlink_to(elsewhere)
    # the directory of the installation may be a link of root's
    (tmp_path / "opt").symlink_to(install_dir)
    installs = modules.records.Installs(str(tmp_path / "opt"))
    installs.remove_flat(["src", "config/mine", "absent", "venv"])
    assert (elsewhere / "mine").exists()
    assert sorted(path.name for path in install_dir.iterdir()) == ["config", "own"]
    (install_dir / "config").unlink()
    (install_dir / "config").mkdir()
    (install_dir / "config/goose").touch()
    installs.remove_flat(["config/goose"])
    assert installs.others() == [str(tmp_path / "opt" / "own")]
