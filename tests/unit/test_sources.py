"""Where Kai's own code may come from, and what of it belongs to a release."""

import pytest

from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.sources import (
    belongs_to_release,
    fault_of_member,
    fault_of_source,
    is_git_url,
    without_common_directory,
)
from tests.unit.samples import variables


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("https://github.com/dcellison/kai", True),
        ("http://git.example/kai.git", True),
        ("ssh://git@git.example:2222/kai", True),
        ("git://git.example/kai", True),
        ("file:///srv/kai.git", True),
        ("git@github.com:dcellison/kai.git", True),
        ("/srv/kai", False),
        ("/srv/kai-1.2.tar.gz", False),
        ("/srv/a@b:c", False),
    ],
)
def test_a_source(source: str, url: bool) -> None:
    assert fault_of_source(source) is None
    assert is_git_url(source) is url


@pytest.mark.parametrize(
    "source",
    [
        *("", ".", "..", "kai", "../kai", "~/kai", "./kai.tar.gz", "C:\\kai"),
        *("https://", "https:// x", "ftp://git.example/kai", "ext::sh -c id", "git@github.com"),
        *("https://git.example/kai\n", "a b@c:d", "github.com:dcellison/kai"),
    ],
)
def test_what_is_no_source(source: str) -> None:
    assert fault_of_source(source) == "is neither an absolute path nor a git URL"


@pytest.mark.parametrize(
    "source",
    [
        *("https://me:sesame@git.example/kai", "ssh://me:sesame@h/kai"),
        *("https://sesame@git.example/kai", "http://me:open@sesame@git.example/kai"),
    ],
)
def test_a_password_in_a_source_is_refused_and_not_shown(contract: Contract, source: str) -> None:
    (problem,) = read_configuration(contract, variables(source=source)).problems
    assert "has a password or a token in it" in problem.expected
    assert "sesame" not in str(problem)


@pytest.mark.parametrize(
    ("name", "belongs"),
    [
        *((name, True) for name in ("pyproject.toml", ".gitignore", "src/kai/build/page.js")),
        *((name, True) for name in ("src/kai/dist/app.js", "src/venv.py", "docs/users.yaml")),
        *((name, False) for name in ("build/lib/kai/old.py", "dist/kai.whl", "venv/bin/python")),
        *((name, False) for name in (".git/config", "lib/.git", "src/kai.egg-info/PKG-INFO")),
        *((name, False) for name in (".env", "install.conf", "users.yaml", "a/__pycache__/b.pyc")),
    ],
)
def test_what_belongs_to_a_release(name: str, belongs: bool) -> None:
    assert belongs_to_release(name) is belongs


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "a/.."])
def test_a_member_that_leads_out(name: str) -> None:
    assert fault_of_member(name) is not None
    assert fault_of_member("a/..b/c..") is None


def test_a_directory_that_holds_everything_is_cut_off() -> None:
    def names(*given: str) -> set[str]:
        return set(without_common_directory(dict.fromkeys(given, (b"", False))))

    assert names("./kai-1/a", "kai-1/b/c") == {"a", "b/c"}
    assert names("kai/a", "b") == {"kai/a", "b"}
    assert names("./a") == {"a"}
