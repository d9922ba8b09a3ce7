"""kai_install_environment reaches pip, uv and git, and nothing else; its secrets are redacted."""

import json
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from samples import variables

from kai_ansible.ansible.place import collection_root
from kai_ansible.controller import git_source
from kai_ansible.host.build import Build
from kai_ansible.inventory.host_vars import secret_texts
from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.host_record import recorded
from kai_ansible.rules.network_environment import as_words, of_words, secrets_of
from kai_ansible.rules.problems import Refused
from tests.forward_proxy import Proxy

AUTHOR = ("-c", "user.name=Ada", "-c", "user.email=ada@kai.example")
PROXY = "http://ada:p%40ss-word@proxy.example:3128"


@pytest.mark.parametrize(
    "name",
    ["HTTPS_PROXY", "no_proxy", "SSL_CERT_FILE", "PIP_CERT", "UV_HTTP_TIMEOUT", "GIT_SSL_CAINFO"],
)
def test_variables_of_the_network_are_taken(contract: Contract, name: str) -> None:
    read = read_configuration(contract, variables(environment={name: "x"}))
    assert read.problems == []
    assert read.host["environment"] == {name: "x"}
    assert name not in read.extra_env


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("HTTPS_PROXY=http://x", "no mapping"),
        ({"LD_PRELOAD": "/x.so"}, "LD_PRELOAD"),
        ({"PYTHONPATH": "/x"}, "PYTHONPATH"),
        ({"PATH": "/x"}, "PATH"),
        ({"PIP_TARGET": "/x"}, "PIP_TARGET"),
        ({"GIT_DIR": "/x"}, "GIT_DIR"),
        ({"PIP_EXTRA_INDEX_URL": "/x"}, "PIP_EXTRA_INDEX_URL"),
        ({"UV_DEFAULT_INDEX": "/x"}, "UV_DEFAULT_INDEX"),
        ({"UV_INDEX": "/x"}, "UV_INDEX"),
        ({"HTTPS_PROXY": ["x"]}, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "a\nb"}, "HTTPS_PROXY"),
    ],
)
def test_others_are_refused_by_name_and_without_their_value(
    contract: Contract, value: Any, found: str
) -> None:
    [problem] = read_configuration(contract, variables(environment=value)).problems
    assert problem.where == "kai_install_environment"
    assert found in problem.expected
    assert "/x" not in str(problem).replace("http://x", "")


def test_pip_and_uv_have_them(tmp_path: Path) -> None:
    words = as_words({"HTTPS_PROXY": PROXY, "UV_HTTP_TIMEOUT": "9"})
    parameters = {"path": str(tmp_path), "index_url": None, "environment": words}
    environment = Build(parameters, 0).environment()
    assert environment["HTTPS_PROXY"] == PROXY
    assert environment["UV_HTTP_TIMEOUT"] == "9"
    assert environment["PIP_CONFIG_FILE"] == os.devnull


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git that notes its environment, and fails to fetch with it as its words."""
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *" fetch "*) env >{tmp_path}/seen; '
        'echo "fatal: proxy $HTTPS_PROXY" >&2; exit 1;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path / "seen"


def test_git_has_them_and_its_words_are_redacted(git: Path) -> None:
    with (
        pytest.raises(Refused) as error,
        git_source.fetched("https://git.example/kai.git", "main", {"HTTPS_PROXY": PROXY}),
    ):
        pass
    assert f"HTTPS_PROXY={PROXY}" in git.read_text()
    assert "ss-word" not in str(error.value)
    assert "proxy.example" in str(error.value)


def test_git_fetches_through_a_proxy_that_wants_a_password(tmp_path: Path) -> None:
    work = tmp_path / "work"
    for words in (
        ["init", "--quiet", "--initial-branch=main", str(work)],
        ["-C", str(work), *AUTHOR, "commit", "--quiet", "--allow-empty", "--message=first"],
        ["clone", "--quiet", "--bare", str(work), str(tmp_path / "kai.git")],
    ):
        subprocess.run(["git", *words], check=True)
    notes = tmp_path / "notes"
    with Proxy(0, "ada:p@ss-word", str(notes), repositories=str(tmp_path)) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{proxy.server_port}"
        given = {"http_proxy": f"http://ada:p%40ss-word@{address}", "no_proxy": ""}
        with git_source.fetched("http://git.example/kai.git", "main", given) as (_place, names):
            assert names == []
        without = {**given, "http_proxy": f"http://{address}"}
        with (
            pytest.raises(Refused, match="407"),
            git_source.fetched("http://git.example/kai.git", "main", without),
        ):
            pass
        proxy.shutdown()
    requests = [json.loads(line) for line in notes.read_text().splitlines()]
    assert {request["host"] for request in requests} == {"git.example"}
    assert True in {request["login"] for request in requests}


def test_nothing_else_has_them(contract: Contract) -> None:
    given = variables(environment={"HTTPS_PROXY": PROXY})
    read = read_configuration(contract, given)
    assert PROXY not in str(recorded(read, given))
    tasks = collection_root() / "roles" / "kai_install" / "tasks"
    users = subprocess.run(
        ["grep", "--recursive", "--files-with-matches", "build_environment", str(tasks)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert {Path(name).name for name in users.stdout.split()} == {"release.yml", "source.yml"}


def test_only_logins_are_secret(contract: Contract) -> None:
    environment = {
        "HTTPS_PROXY": PROXY,
        "NO_PROXY": "localhost",
        "PIP_RETRIES": "1",
        "UV_INDEX_OWN_PASSWORD": "hunter2",
    }
    expected = {"ada:p%40ss-word", "p%40ss-word", "p@ss-word", "hunter2"}
    assert secrets_of(environment) == expected
    texts = secret_texts(contract, {"kai_install_environment": environment})
    assert texts == expected


def test_words_carry_every_value() -> None:
    environment = {"A": "b=c d", "E": ""}
    assert of_words(as_words(environment)) == environment
