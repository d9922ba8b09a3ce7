"""Find the collection kai.bot and read its contract."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, cast

from kai_ansible.errors import CommandError
from kai_ansible.inventory.yaml_edit import data_of
from kai_ansible.rules.contract import Contract, read_contract
from kai_ansible.rules.contract_2 import Contract2
from kai_ansible.rules.line_composition import composed
from kai_ansible.rules.problems import Problem, listed
from kai_ansible.rules.release_line import Lines, read_lines
from kai_ansible.rules.typed_data import read

DEFAULT_RELEASE = "1"


def collection_root() -> Path:
    """Return the collection's directory: inside the wheel, or the checkout itself."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "collection"
    return shipped if shipped.is_dir() else package.parent


@cache
def contract(release: str = DEFAULT_RELEASE) -> Contract:
    """Return the contract of a release line of Kai. Raises CommandError for an unknown line."""
    directory = collection_root() / "roles" / "kai_install" / "vars"
    path = directory / f"kai_{release}.yml"
    known = sorted(found.stem.removeprefix("kai_") for found in directory.glob("kai_*.yml"))
    if release not in known:
        raise CommandError(
            "This release line of Kai is not known.",
            problems=[
                Problem(
                    "kai_install_release",
                    repr(release),
                    f"one of {listed(known)}",
                    f'set kai_install_release to "{DEFAULT_RELEASE}"',
                )
            ],
        )
    return read_contract(path.read_text(encoding="utf-8"), str(path))


@cache
def lines() -> Lines:
    """Return every release line of Kai, the newest first."""
    return read_lines(_document("lines/lines.yml"))


@cache
def later_contract(line: str) -> Contract2:
    """Return the contract of a line that states its difference from an earlier one."""
    documents = {DEFAULT_RELEASE: _document(f"kai_{DEFAULT_RELEASE}.yml")}
    others = [one.line for one in lines().lines if one.line != DEFAULT_RELEASE]
    documents |= {name: _document(f"lines/{name}.yml") for name in others}
    return cast("Contract2", read(Contract2, composed(line, documents)))


def _document(name: str) -> dict[str, Any]:
    path = collection_root() / "roles" / "kai_install" / "vars" / name
    found: dict[str, Any] = data_of(path.read_text(encoding="utf-8"))
    return found
