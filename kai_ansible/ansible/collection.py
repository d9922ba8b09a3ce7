"""Find the collection kai.bot and read its contract."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from kai_ansible.errors import CommandError
from kai_ansible.rules.contract import Contract, read_contract
from kai_ansible.rules.problems import Problem, listed

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
