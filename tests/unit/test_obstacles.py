"""The preflight problems of an installation, from one probe of a host."""

from typing import Any

import pytest
from samples import probe, user, variables

from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.desired_state import desired_state
from kai_ansible.rules.preflight import (
    host_problems,
    missing_models,
    missing_programs,
    models_in_use,
    slow_sudo,
)
from kai_ansible.rules.problems import Problem


def problems(contract: Contract, seen: dict[str, Any], **settings: Any) -> list[Problem]:
    read = read_configuration(contract, variables(user(os_user="alice"), **settings))
    assert read.problems == []
    return host_problems(read, seen)


def target(
    device: int = 1, free_mb: int = 9999, inodes: int | None = 99999, **more: Any
) -> dict[str, Any]:
    return {
        "nearest": "/",
        "directory": True,
        "device": device,
        "free": {"MB": free_mb, "inodes": inodes},
        "writable": True,
        **more,
    }


def release(missing: bool, size_mb: int | None = None) -> dict[str, Any]:
    size = size_mb and {"MB": size_mb, "inodes": 8000}
    return {"live": None, "complete": [], "missing": missing, "size": size}


def entry(fault: str | None, place: str | None, write: bool = False) -> dict[str, Any]:
    return {"path": "/srv/w", "account": "alice", "write": write, "fault": fault, "place": place}


HELD = {"where": "/run/l", "found": "another install", "expected": "none", "fix": "wait"}


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param(
            {"lock": {"path": "/run/l", "taken": False, "problems": [HELD]}},
            ["another install"],
            id="another install",
        ),
        pytest.param(
            {"file_sizes": {"/etc/kai/totp.secret": 32, "/etc/kai/totp.attempts": 2}},
            [],
            id="TOTP",
        ),
        pytest.param({"file_sizes": {"/etc/kai/totp.secret": 32}}, [], id="TOTP, never failed"),
        pytest.param(
            {"file_sizes": {"/etc/kai/totp.attempts": 2}},
            [
                "nothing, although /etc/kai/totp.attempts exists: the bot would ask no user for a "
                "code"
            ],
            id="TOTP without its secret",
        ),
        pytest.param(
            {"file_sizes": {"/etc/kai/totp.secret": 0, "/etc/kai/totp.attempts": 2}},
            [
                "an empty file, although /etc/kai/totp.attempts exists: the bot would ask no user "
                "for a code"
            ],
            id="TOTP with an empty secret",
        ),
        pytest.param(
            {"port": ["process 7 of www (nginx -g x)"]},
            ["port 8080 held by process 7 of www (nginx -g x)"],
            id="the port",
        ),
        pytest.param(
            {"access": [entry("cannot enter", "/srv")]},
            ["alice cannot enter /srv"],
            id="a workspace",
        ),
        pytest.param(
            {
                "access": [entry("gets no answer from", "/srv/w")],
                "directories": {"/srv/w": "on a file system that does not answer"},
            },
            ["/srv/w, which is on a file system that does not answer"],
            id="told once",
        ),
        pytest.param(
            {"programs": dict.fromkeys(probe()["programs"])},
            ["no sudo", "no pgrep", "no systemctl", "no journalctl", "no runuser"],
            id="programs",
        ),
        pytest.param({"manager_version": 234}, ["systemd 234"], id="an old systemd"),
        pytest.param({"manager_version": None}, [], id="a systemd that nobody could ask"),
        pytest.param(
            {"sudo": {"version": "Sudo version 1.8.20p2", "flags": ["requiretty", "noexec"]}},
            ["Sudo version 1.8.20p2", "Defaults requiretty for kai", "Defaults noexec for kai"],
            id="sudo",
        ),
        pytest.param(
            {"sudo": {"version": "Sudo version 1.9.16p2", "flags": ["command_timeout", "umask"]}},
            ["Defaults command_timeout for kai"],
            id="a limit of sudo",
        ),
        pytest.param(
            {"sudo": {"version": "sudo-rs 0.2.8", "flags": []}}, ["sudo-rs 0.2.8"], id="sudo-rs"
        ),
        # a missing sudo is reported as a missing program
        pytest.param({"sudo": {"version": "", "flags": []}}, [], id="no sudo"),
    ],
)
def test_obstacles(contract: Contract, seen: dict[str, Any], found: list[str]) -> None:
    told = [problem.found for problem in problems(contract, probe(**seen))]
    assert [text for text, part in zip(told, found, strict=True) if part not in text] == []


@pytest.mark.parametrize(
    ("missing", "size_mb", "targets", "found"),
    [
        (False, None, {"/opt/kai": target(free_mb=10), "/tmp": target(2, 10)}, []),
        (False, None, {"/opt/kai": target(free_mb=9)}, [("/opt/kai", "9 MB free", "10 MB free")]),
        # the first release, and whatever pip unpacks for it
        (
            True,
            None,
            {"/opt/kai": target(free_mb=159), "/tmp": target(2, 109), "/etc/kai": target(3, 10)},
            [("/opt/kai", "159 MB free", "160 MB free"), ("/tmp", "109 MB free", "110 MB free")],
        ),
        # one file system has to have room for everything on it
        (
            True,
            400,
            {"/opt/kai": target(free_mb=509), "/var/lib/kai": target(), "/tmp": target()},
            [("/opt/kai, /var/lib/kai, /tmp", "509 MB free", "510 MB free")],
        ),
        (True, 400, {"/opt/kai": target(free_mb=510), "/tmp": target(free_mb=510)}, []),
        (
            *(True, 400),
            {"/opt/kai": target(inodes=8049), "/tmp": target(2, inodes=549)},
            [
                ("/opt/kai", "8049 inodes free", "8050 inodes free"),
                ("/tmp", "549 inodes free", "550 inodes free"),
            ],
        ),
        # a file system that makes inodes as they are needed
        (True, None, {"/opt/kai": target(inodes=None), "/etc/kai": target(2, inodes=50)}, []),
    ],
)
def test_room_for_a_release(
    contract: Contract,
    missing: bool,
    size_mb: int | None,
    targets: dict[str, Any],
    found: list[tuple[str, str, str]],
) -> None:
    seen = probe(release=release(missing, size_mb), targets=targets)
    told = [(one.where, one.found, one.expected) for one in problems(contract, seen)]
    assert told == found


def test_places_where_nothing_can_be_written(contract: Contract) -> None:
    targets = {
        "/opt/kai": target(nearest="/opt", writable=False),
        "/var/lib/kai": target(2, nearest="/var/lib/kai", directory=False),
    }
    first, second = problems(contract, probe(targets=targets))
    assert first.found == "/opt, where not even root can write"
    assert first.fix.endswith("findmnt --target /opt")
    assert second.found == "/var/lib/kai, which is no directory"


def test_a_fix_names_the_place_that_is_closed(contract: Contract) -> None:
    enter, write = problems(
        contract,
        probe(access=[entry("cannot enter", "/srv"), entry("cannot write in", "/srv/w", True)]),
    )
    assert "setfacl --modify u:alice:x /srv)" in enter.fix
    assert "setfacl --modify u:alice:rwx /srv/w)" in write.fix


@pytest.mark.parametrize("voice", [False, True])
def test_a_program_of_a_feature_is_missed_only_with_the_feature(
    contract: Contract, voice: bool
) -> None:
    read = read_configuration(contract, variables(voice_enabled=voice))
    programs = {**probe()["programs"], "ffmpeg": None, "whisper-cli": None}
    seen = probe(programs=programs)
    assert host_problems(read, seen) == []
    notes = missing_programs(read, seen)
    assert [note.partition(":")[0] for note in notes] == (
        ["The host has no ffmpeg", "The host has no whisper-cli"] if voice else []
    )
    with_one = probe(programs={**programs, "ffmpeg": "/bin/ffmpeg", "whisper-cli": "/bin/w"})
    assert missing_programs(read, with_one) == []


MODELS = (
    *("ggml-base.en.bin", "piper/en_GB-cori-medium.onnx", "piper/en_GB-cori-medium.onnx.json"),
)


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        ({}, ()),
        ({"voice_enabled": True}, MODELS[:1]),
        ({"tts_enabled": True}, MODELS[1:]),
        ({"voice_enabled": True, "tts_enabled": True}, MODELS),
    ],
)
def test_the_models_of_a_feature_are_asked_for_and_missed(
    contract: Contract, settings: dict[str, bool], needed: tuple[str, ...]
) -> None:
    read = read_configuration(contract, variables(**settings, install_dir="/srv/kai"))
    paths = [f"/srv/kai/models/{name}" for name in needed]
    assert list(models_in_use(read)) == paths
    for state, fix in (("absent", "curl --fail --location --output"), ("unreadable", "chmod a+rX")):
        found = missing_models(read, probe(models=dict.fromkeys(paths, state)))
        assert [problem.where for problem in found] == paths
        assert all(f"{fix} " in problem.fix for problem in found)
    assert missing_models(read, probe(models=dict.fromkeys(paths, "readable"))) == []
    assert missing_models(read, probe(models=dict.fromkeys(paths, "unseen"))) == []


def test_an_install_reports_the_commands_that_fetch_a_model(contract: Contract) -> None:
    read = read_configuration(contract, variables(voice_enabled=True))
    path = "/opt/kai/models/ggml-base.en.bin"
    command = (
        f"sudo install -d -m 0755 /opt/kai/models && sudo curl --fail --location --output {path} "
        "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-base.en.bin && "
        f"sudo chmod 0644 {path}"
    )
    programs = {**probe()["programs"], "ffmpeg": "/bin/ffmpeg", "whisper-cli": "/bin/w"}
    seen = probe(models={path: "absent"}, programs=programs)
    [note] = [n for n in desired_state(read, seen)["notes"] if command in n]
    assert note.startswith(f"{path}: found no such file")


def test_another_system_is_not_asked_for_the_programs_of_this_one(contract: Contract) -> None:
    programs = dict.fromkeys(("sudo", "pgrep", "curl", "git"), "/bin/x")
    others = dict.fromkeys(("systemctl", "journalctl", "runuser"))
    seen = probe(platform="darwin", manager_version=None, programs={**programs, **others})
    assert problems(contract, seen) == []


def test_what_agents_and_workspaces_need_is_missed(contract: Contract) -> None:
    read = read_configuration(contract, variables(pr_review_enabled=True))
    seen = probe(programs={**probe()["programs"], "curl": None, "git": None, "gh": None})
    assert host_problems(read, seen) == []
    assert [note.partition(":")[0] for note in missing_programs(read, seen)] == [
        *("The host has no curl", "The host has no git", "The host has no gh"),
    ]


def test_a_sudo_that_waits_for_a_name_is_reported_with_what_makes_it_known() -> None:
    sudo = {"version": "Sudo version 1.9.16p2", "flags": [], "host": "bot1"}
    assert slow_sudo({"sudo": {**sudo, "seconds": 1}}) == []
    [note] = slow_sudo({"sudo": {**sudo, "seconds": 20}})
    assert "sudo took 20 s" in note
    assert "127.0.1.1 bot1" in note
