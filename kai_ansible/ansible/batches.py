"""Which hosts are switched together, and in which order."""

from __future__ import annotations

import re
from collections.abc import Sequence

import yaml

from kai_ansible.ansible.api import batch_size
from kai_ansible.ansible.place import collection_root
from kai_ansible.errors import usage_error

_SIZE = re.compile(r"[1-9][0-9]*|([1-9][0-9]?|100)%")


def read_sizes(text: str | None) -> list[str]:
    """Return the sizes of batches, as numbers of hosts or percentages of all of them.

    text: sizes with commas between them, None for those that the playbooks have by default.
    Raises CommandError for anything else.
    """
    if text is None:
        path = collection_root() / "playbooks" / "vars" / "batches.yml"
        return [str(size) for size in yaml.safe_load(path.read_text())["kai_default_batches"]]
    sizes = [size.strip() for size in text.split(",")]
    for size in sizes:
        if not _SIZE.fullmatch(size):
            raise usage_error(
                "--batches",
                repr(size),
                "a number of hosts, or a percentage of all of them, for each batch",
                "for example, add --batches 1,25%,100%",
            )
    return sizes


def batches_of(hosts: Sequence[str], sizes: Sequence[str]) -> list[list[str]]:
    """Return the hosts of each batch; as in Ansible's ``serial`` the last size holds for the rest.

    sizes: as ``read_sizes`` returns them.
    """
    batches: list[list[str]] = []
    taken = 0
    while taken < len(hosts):
        size = batch_size(sizes[min(len(batches), len(sizes) - 1)], len(hosts))
        batches.append(list(hosts[taken : taken + size]))
        taken += size
    return batches
