"""Files of the operator keep what they are: links, owners, groups, modes, forms, references."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from kai_ansible.errors import CommandError
from kai_ansible.files import write_files
from kai_ansible.inventory.host_vars_files import HostVars, edited_texts
from kai_ansible.inventory.inventory import Inventory, write_host_vars
from kai_ansible.secrets.vault_password import VaultPassword

OTHER = 12345


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of settings, of the mode that a group shares."""
    path = tmp_path / "host_vars" / "bot1" / "kai.yml"
    path.parent.mkdir(parents=True)
    path.write_text("a: 1\n")
    path.chmod(0o660)
    return path


def test_a_link_stays_one_and_what_it_names_is_written(path: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared.yml"
    path.replace(shared)
    path.symlink_to("../../shared.yml")
    write_files({path: "a: 2\n"})
    assert path.is_symlink()
    assert shared.read_text() == "a: 2\n"


def test_a_link_to_a_link_and_one_to_a_directory_stay(path: Path, tmp_path: Path) -> None:
    path.parent.rename(tmp_path / "real")
    (tmp_path / "host_vars" / "bot1").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "kai.yml").rename(tmp_path / "real" / "first.yml")
    (tmp_path / "real" / "second.yml").symlink_to("first.yml")
    path.symlink_to("second.yml")
    write_files({path: "a: 2\n"})
    assert path.is_symlink()
    assert path.parent.is_symlink()
    assert (tmp_path / "real" / "second.yml").is_symlink()
    assert (tmp_path / "real" / "first.yml").read_text() == "a: 2\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives links away")
def test_root_follows_no_link_that_another_account_may_turn(path: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared.yml"
    path.replace(shared)
    path.symlink_to(shared)
    os.chown(path, OTHER, OTHER, follow_symlinks=False)
    with pytest.raises(CommandError) as error:
        write_host_vars(Inventory(tmp_path), {path: "a: 2\n"})
    [problem] = error.value.problems
    assert problem.where == str(path)
    assert "run this without sudo" in problem.found
    assert shared.read_text() == "a: 1\n"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660, 0o664])
def test_a_mode_stays(path: Path, mode: int) -> None:
    path.chmod(mode)
    write_files({path: "a: 2\n"})
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_is_private(path: Path) -> None:
    new = path.with_name("vault.yml")
    write_files({new: "x"})
    assert stat.S_IMODE(new.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owner_and_group_stay(path: Path) -> None:
    os.chown(path, OTHER, OTHER + 1)
    write_files({path: "a: 2\n"})
    assert (path.stat().st_uid, path.stat().st_gid) == (OTHER, OTHER + 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_a_file_that_cannot_be_given_away_is_written_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_arguments: object, **_more: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "chown", refused)
    path.write_text("a: 1 # much longer than the new text\n")
    # the way there has a link
    path.parent.rename(path.parent.with_name("real"))
    path.parent.symlink_to("real")
    before = path.stat().st_ino
    write_files({path: "a: 2\n"})
    assert path.read_text() == "a: 2\n"
    assert path.stat().st_ino == before
    assert [entry.name for entry in path.parent.iterdir()] == ["kai.yml"]


def test_an_access_list_stays(path: Path) -> None:
    try:
        set_list = ["setfacl", "--modify", "u:12345:rw", str(path)]
        subprocess.run(set_list, check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("no access lists here")
    write_files({path: "a: 2\n"})
    said = subprocess.run(["getfacl", "-n", path], check=True, capture_output=True, text=True)
    assert "user:12345:rw-" in said.stdout


@pytest.mark.parametrize("ending", ["", ".yml", ".yaml", ".json"])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_file_in_place_of_the_directory_is_not_hidden(
    tmp_path: Path, ending: str, kind: str
) -> None:
    place = tmp_path / "host_vars"
    place.mkdir()
    given = place / f"bot1{ending}"
    target = tmp_path / "elsewhere" if kind == "link" else given
    target.write_text(json.dumps({"ansible_host": "10.0.0.1"}))
    if kind == "link":
        given.symlink_to(target)
    with pytest.raises(CommandError) as error:
        Inventory(tmp_path).host_vars("bot1")
    [problem] = error.value.problems
    assert problem.where == str(given)
    # the fix keeps the kind of file that it is
    assert problem.fix.endswith(f"{place}/bot1/main{ending or '.yml'}")


@pytest.mark.parametrize("ending", [".yml", ".yaml", ".json"])
def test_a_directory_with_an_ending_is_not_hidden(tmp_path: Path, ending: str) -> None:
    (tmp_path / "host_vars" / f"bot1{ending}").mkdir(parents=True)
    with pytest.raises(CommandError) as error:
        Inventory(tmp_path).host_vars("bot1")
    place = tmp_path / "host_vars"
    assert error.value.problems[0].fix == f"mv {place}/bot1{ending} {place}/bot1"


@pytest.mark.parametrize(
    "reference", ["'{{ vault_token }}'", "\"{{ lookup('env', 'TOKEN') }}\"", "'x{{ a }}y'"]
)
def test_a_reference_to_another_variable_stays_where_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch, reference: str
) -> None:
    path.write_text(f"kai_install_token: {reference}\n")
    password: VaultPassword = object()  # type: ignore[assignment]
    texts, moved = edited_texts(
        HostVars("bot1", path.parent), {"kai_install_port": 1}, lambda n: "token" in n, password
    )
    assert moved == []
    [text] = texts.values()
    assert f"kai_install_token: {reference}\n" in text


def test_host_vars_are_written_so(path: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared.yml"
    path.replace(shared)
    path.symlink_to(shared)
    write_host_vars(Inventory(tmp_path), {path: "a: 2\n"})
    assert path.is_symlink()
    assert (shared.read_text(), stat.S_IMODE(shared.stat().st_mode)) == ("a: 2\n", 0o660)
