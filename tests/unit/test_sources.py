"""Where Kai's own code may come from."""

import pytest

from kai_ansible.rules.sources import fault_of_source, is_git_url


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
