"""Edit the files of hosts for a migration, each once however many hosts read it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kai_ansible.inventory.host_vars_files import KAI_HEADER, VAULT_TEXT_HEADER, EditedFile
from kai_ansible.inventory.inventory import Inventory
from kai_ansible.inventory.variable_text import read_text
from kai_ansible.inventory.yaml_edit import Template
from kai_ansible.rules.problems import Problem, listed
from kai_ansible.rules.variable_names import variable
from kai_ansible.secrets.vault_password import VAULT_HEADER, VaultPassword, lock

USERS = variable("users")


@dataclass(frozen=True)
class Edits:
    """What changes for one host.

    names: new names of variables, None for one that is removed. values: variables with a new value.
    users: the fields that change in each entry of the users, None for one that is removed.
    """

    names: Mapping[str, str | None]
    values: Mapping[str, Any]
    users: Sequence[Mapping[str, Any]] = ()


class MigratedFiles:
    """The files of the hosts that are migrated, while they are edited.

    is_secret: whether a variable belongs in a vault.
    """

    def __init__(
        self, inventory: Inventory, password: VaultPassword, is_secret: Callable[[str], bool]
    ) -> None:
        """Read nothing yet; a file is read with its first host."""
        self.inventory, self.password, self.is_secret = inventory, password, is_secret
        self.files: dict[Path, EditedFile] = {}
        self._of_hosts: dict[str, list[Path]] = {}

    def edit(self, host: str, edits: Edits) -> list[Problem]:
        """Make the changes of a host in its files. Return the problems of those that cannot be.

        Raises CommandError for a file that cannot be read or edited.
        """
        self._open(host)
        problems = []
        for name, becomes in edits.names.items():
            holding = [file for file in self._texts(host) if name in file.held]
            if not holding:
                problems.append(self._out_of_reach(name))
            for file in holding:
                # hosts of one group share its file
                if name in file.content and becomes:
                    file.rename(name, becomes)
                else:
                    file.remove(name)
        for name, value in edits.values.items():
            self._file_for(host, name).set(name, value)
        if any(edits.users):
            problems += self._edit_users(host, edits.users)
        return problems

    def texts(self) -> dict[Path, str]:
        """Return the new text of each file that changes, vaults encrypted.

        Raises CommandError for a file that does not have the expected meaning then.
        """
        return {
            path: self._closed(path, file.checked())
            for path, file in self.files.items()
            if file.text != file.before
        }

    def shared(self, others: Inventory) -> list[Problem]:
        """Return the changed files that hosts read which are not migrated.

        others: the inventory with every host read.
        """
        changed = [path for path, file in self.files.items() if file.text != file.before]
        problems = []
        for path in changed:
            readers = [
                host
                for host in others.hosts
                if host not in self._of_hosts and path in others.files_of(host)
            ]
            if readers:
                problems.append(
                    Problem(
                        str(path),
                        f"a file of {listed(readers)} as well, which would not be migrated",
                        "a file of migrated hosts alone",
                        "migrate these hosts together, or move what differs to host_vars",
                    )
                )
        return problems

    def _open(self, host: str) -> None:
        files = self.inventory.host_vars(host)
        texts = {files.settings: "", **self.inventory.variable_texts(host, self.password)}
        self._of_hosts[host] = list(texts)
        for path in texts.keys() - self.files.keys():
            self.files[path] = EditedFile(path, texts[path], KAI_HEADER)

    def _texts(self, host: str) -> list[EditedFile]:
        return [self.files[path] for path in self._of_hosts[host]]

    def _file_for(self, host: str, name: str) -> EditedFile:
        """Return the file that decides a variable, or the one in which a new one belongs."""
        holding = [file for file in self._texts(host) if name in file.content]
        if holding:
            return holding[-1]
        files = self.inventory.host_vars(host)
        if not self.is_secret(name):
            return self.files[files.settings]
        if files.vault not in self.files:
            self.files[files.vault] = EditedFile(files.vault, "", VAULT_TEXT_HEADER)
            self._of_hosts[host].append(files.vault)
        return self.files[files.vault]

    def _edit_users(self, host: str, users: Sequence[Mapping[str, Any]]) -> list[Problem]:
        holding = [file for file in self._texts(host) if USERS in file.content]
        if not holding:
            return [self._out_of_reach(USERS)]
        file = holding[-1]
        entries = file.content[USERS]
        if not isinstance(entries, list) or len(entries) != len(users):
            return [_template(file.path)]
        edited = []
        for entry, fields in zip(entries, users, strict=True):
            if not isinstance(entry, dict) or any(
                isinstance(entry.get(name), Template) for name in fields
            ):
                return [_template(file.path)]
            after = {**entry, **fields}
            for name in [name for name, value in fields.items() if value is None]:
                del after[name]
            edited.append(after)
        file.set(USERS, edited)
        return []

    def _closed(self, path: Path, text: str) -> str:
        before = read_text(path)
        is_locked = before.startswith(VAULT_HEADER)
        is_new_vault = not before and path.name == "vault.yml"
        return lock(text, self.password, before) if is_locked or is_new_vault else text

    def _out_of_reach(self, name: str) -> Problem:
        directory = self.inventory.directory
        return Problem(
            name,
            "a value in the inventory file itself",
            f"a value in a file of {directory}/host_vars or {directory}/group_vars",
            "move it there, or change it yourself",
        )


def changes_beyond(paths: Collection[Path], inventory: Inventory) -> bool:
    """Return whether one of the files is not a read host's own."""
    own = [inventory.host_vars(host, to_write=False).directory for host in inventory.hosts]
    return any(path.parent not in own for path in paths)


def _template(path: Path) -> Problem:
    return Problem(
        f"{path}: {USERS}",
        "a template",
        "a list of users, written out",
        "write the users out in that file, or change their fields yourself",
    )
