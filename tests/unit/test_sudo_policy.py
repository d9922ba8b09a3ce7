"""The real visudo judges a drop-in within a whole policy, wherever the policy reads it."""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from kai_ansible.host.sudo_policy import check_policy
from kai_ansible.rules import sudoers
from kai_ansible.rules.file_state import FileState
from kai_ansible.rules.problems import Refused

VISUDO = shutil.which("visudo", path="/usr/sbin:/usr/bin:/sbin") or shutil.which("visudo")
HOST = socket.gethostname().partition(".")[0]
RULES = "Cmnd_Alias KAI = /usr/bin/cat\nbot ALL=(root) NOPASSWD: KAI\n"

pytestmark = pytest.mark.skipif(VISUDO is None, reason="no visudo here")


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return the objection of visudo to a drop-in among files, empty without one."""

    def check(files: dict[str, str], text: str = RULES) -> str:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content.replace("ROOT", str(tmp_path)), encoding="utf-8")
        monkeypatch.setattr(sudoers, "MAIN_POLICY", str(tmp_path / "sudoers"))
        state = FileState(str(tmp_path / "sudoers.d/kai"), text.encode())
        try:
            check_policy([str(VISUDO)], state)
        except Refused as refused:
            return str(refused)
        return ""

    return check


def is_a_duplicate(objection: str) -> bool:
    """Return whether visudo names an alias twice; its versions word that differently."""
    return '"KAI"' in objection and "defined" in objection


@pytest.mark.parametrize(
    ("name", "include"),
    [
        ("sudoers.local", "@include ROOT/sudoers.local"),
        ("sudoers.local", "#include sudoers.local"),
        ("sudoers.local", '@include "ROOT/sudoers.local"'),
        ("my rules", '@include "my rules"'),
        ("my rules", "@include my\\ rules"),
        (f"rules.{HOST}", "@include rules.%h"),
        ("sub/rules", "@include sub/rules"),
        ("site/10", "@includedir ROOT/site"),
    ],
)
@pytest.mark.parametrize("way", ["@includedir ROOT/sudoers.d", "#include ROOT/sudoers.d/kai"])
def test_the_deployed_drop_in_is_not_read_beside_the_new_one(
    judge: Callable[..., str], name: str, include: str, way: str
) -> None:
    main = f"root ALL=(ALL:ALL) ALL\n{include}\n"
    files = {"sudoers": main, name: f"{way}\n", "sudoers.d/kai": RULES}
    assert judge(files) == ""
    # what stands elsewhere in the policy still counts
    assert is_a_duplicate(judge({**files, "sudoers": RULES + main}))


@pytest.mark.parametrize("name", ["a%h", "my rules", 'quo"te', "back\\slash", "com,ma", "#x", "é"])
def test_a_drop_in_of_any_name_is_read(judge: Callable[..., str], name: str) -> None:
    files = {"sudoers": "@includedir ROOT/sudoers.d\n", f"sudoers.d/{name}": "User_Alias A = a\n"}
    assert judge(files) == ""
    assert is_a_duplicate(judge({**files, f"sudoers.d/{name}": RULES}))
    assert judge({**files, f"sudoers.d/{name}": "nonsense\n"}).count(f"sudoers.d/{name}:1:") == 1


def test_a_loop_is_an_objection_and_not_an_endless_check(judge: Callable[..., str]) -> None:
    files = {"sudoers": "@include again\n", "again": "@include again\n@includedir sudoers.d\n"}
    assert "too many levels of includes" in judge(files)
