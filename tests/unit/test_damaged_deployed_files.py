"""A deployed file that is damaged in any way is named with its place, by whatever reads it."""

import json
import os
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from samples import variables

from kai_ansible.ansible.changes import Change, changes_by_host
from kai_ansible.host.files import Damaged
from kai_ansible.host.install_probe import deployed_values, file_seen
from kai_ansible.host.look import former_install, releases, storage
from kai_ansible.host.look.host import Host
from kai_ansible.host.service import deployed_env, deployed_port
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.drift import WantedEnv, files_drift, lines_of, rules_of, variables_of
from kai_ansible.rules.file_state import FileState
from kai_ansible.rules.operator_files import fields_of_users, read_with_files
from kai_ansible.rules.typed_data import as_data
from tests.damage import DAMAGES, NOT_TEXT, UNREADABLE

pytestmark = pytest.mark.slow

KINDS: dict[str, Callable[[Path], object]] = {
    **DAMAGES,
    "an alias of itself": lambda path: path.write_text("users: &a [*a]\n"),
    "a bomb of aliases": lambda path: path.write_text(
        "a: &a [1,1,1,1,1,1,1,1,1]\n"
        + "".join(f"{to}: &{to} [{','.join([f'*{of}'] * 9)}]\n" for of, to in pairwise("abcdefghi"))
        + "users: [{name: *i}]\n"
    ),
    "no date": lambda path: path.write_text("users: [{name: 2026-99-99}]\n"),
}
TEXTS = {
    "env": 'A="1"\nWEBHOOK_PORT="8080"\nCODEX_BIN="/opt/codex"\n',
    "users.yaml": "users:\n- telegram_id: 1\n  name: Ada\n  os_user: alice\n",
    "sudoers": "kai ALL=(alice) SETENV: NOPASSWD: /opt/codex\n",
    "kai.service": '[Service]\nUser=kai\nEnvironment="PATH=/opt/bin:/usr/bin"\n',
    "kai-ansible.json": '{"kai_install_source": "/src/kai"}\n',
    "services.yaml": "services: {}\n",
}
CONTENT = {"env": "env", "services.yaml": "sealed"}


@pytest.fixture(params=TEXTS)
def deployed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / str(request.param)
    path.write_text(TEXTS[path.name], encoding="utf-8")
    return path


@pytest.fixture
def probe_of(contract: Contract) -> Callable[[Path], Host]:
    def probe(path: Path) -> Host:
        return Host(
            {
                "platforms": as_data(contract.platforms),
                "service_user": "kai",
                "os_users": [],
                "install_dir": str(path.parent / "opt"),
                "env_file": str(path),
                "sudoers_file": str(path),
                "files": [str(path)],
            }
        )

    return probe


@pytest.mark.parametrize("kind", KINDS)
def test_status_names_the_file_and_the_place(deployed: Path, kind: str) -> None:
    KINDS[kind](deployed)
    content = CONTENT.get(deployed.name, "shown")
    seen = file_seen({"path": str(deployed), "content": content}, "key", {})
    # what Ansible brings home has to be UTF-8
    json.dumps(seen, ensure_ascii=False).encode()
    wanted = FileState(str(deployed), TEXTS[deployed.name].encode(), 0o600)
    parts = {"users.yaml": fields_of_users, "sudoers": rules_of, "kai.service": lines_of}
    by_path = {str(deployed): parts.get(deployed.name, variables_of)}
    env = WantedEnv(str(deployed), {"A": "1"}) if content == "env" else WantedEnv("", {})
    problems, unknown = files_drift([wanted], {str(deployed): seen}, "key", by_path, env)
    assert not unknown
    assert problems
    assert all(problem.where.startswith(str(deployed)) for problem in problems)
    if kind in UNREADABLE:
        # no install writes over it
        assert f"mv {deployed} {deployed}.old" in problems[0].fix
    elif kind in NOT_TEXT:
        assert any(re.search(r":\d+:\d+$", problem.where) for problem in problems)
    json.dumps([problem.as_dict() for problem in problems], ensure_ascii=False).encode()


@pytest.mark.parametrize("kind", KINDS)
def test_a_look_at_the_host_comes_to_its_end(
    deployed: Path, kind: str, probe_of: Callable[[Path], Host]
) -> None:
    KINDS[kind](deployed)
    host = probe_of(deployed)
    content = host.deployed(str(deployed))
    storage.probe_file_sizes(host)
    assert (content is None) == (kind in UNREADABLE)
    faults = {fault.where for fault in host.faults}
    assert faults == ({str(deployed)} if kind in UNREADABLE else set())
    releases.verified_env(host, {})
    former_install.has_rules(host, str(deployed))


@pytest.mark.parametrize("kind", KINDS)
def test_the_environment_is_read_or_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "env"
    path.write_text(TEXTS["env"])
    KINDS[kind](path)
    values = deployed_values(str(path))
    json.dumps(values, ensure_ascii=False).encode()
    assert 0 <= deployed_port(values, "WEBHOOK_PORT", 8080) < 2**16
    if kind in UNREADABLE:
        with pytest.raises(Damaged, match=str(path)):
            deployed_env(str(path))
    else:
        assert deployed_env(str(path)) == values


@pytest.mark.parametrize("port", ["", "0x50", "-1", "65536", "1" * 5000, "\u0663", "8080 "])
def test_a_port_that_is_none_is_not_asked(port: str) -> None:
    assert deployed_port({"PORT": port}, "PORT", 8080) == 8080


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["users.yaml", "kai-ansible.json"])
def test_a_check_shows_what_would_replace_it(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    path.write_text(TEXTS[name])
    KINDS[kind](path)
    if kind in UNREADABLE:
        # kai_switch refuses it by name
        return
    before = path.read_bytes().decode("utf-8", "replace")
    header = f"{path} (0:0 0600)"
    diff = {"before_header": header, "after_header": header, "before": before}
    event = {
        "event": "runner_on_ok",
        "event_data": {
            "host": "bot",
            "res": {"changed": True, "diff": [{**diff, "after": TEXTS[name]}]},
        },
    }
    assert all(isinstance(change, Change) for change in changes_by_host([event])["bot"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_only_root_can_read_is_unseen(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.touch(mode=0)
    assert file_seen({"path": str(path), "content": "env"}, "key", {})["kind"] == "unseen"


@pytest.mark.parametrize("text", ["[" * 10**5, "- " * 10**5, '{"a":' * 10**5])
def test_users_that_are_nested_deeply_are_refused_and_crash_nothing(
    contract: Contract, text: str
) -> None:
    given = {**variables(), "kai_install_users_file": "/x"}
    del given["kai_install_users"]
    [problem] = read_with_files(contract, given, {"users_file": text}).problems
    assert problem.where == "kai_install_users_file"
    assert "nested too deeply" in problem.found
