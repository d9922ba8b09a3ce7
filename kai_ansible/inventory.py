"""The operator's inventory: which hosts there are, what is set for them, and writing host_vars."""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kai_ansible.errors import CommandError
from kai_ansible.files import write_private
from kai_ansible.rules.configuration import PREFIX
from kai_ansible.secrets import VAULT_HEADER, VaultPassword, lock, unlock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

LOCALHOST = "localhost"
LOCALHOST_INVENTORY = """\
---
# Hosts that run a Kai bot. Their settings are in host_vars/<host>/.
all:
  hosts:
    localhost:
      ansible_connection: local
      ansible_python_interpreter: "{{ ansible_playbook_python }}"
"""
KAI_HEADER = (
    "Settings of this host's Kai bot: see docs/settings.md. Secrets are in vault.yml beside this\n"
    "file. 'make config' edits both and keeps your comments."
)
VAULT_TEXT_HEADER = "Secrets of this host's Kai bot. Edit with 'ansible-vault edit'."
TEMPLATE = re.compile(r"\{[{%#]")
# no shorter one, for YAML 1.1 takes yes, no, on and off for booleans
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{3,}")


class Removed:
    """Stands for the value of a variable that is to be taken out."""


REMOVED = Removed()


@dataclass(frozen=True)
class HostVars:
    """The two files of a host that ``config`` writes."""

    host: str
    directory: Path

    @property
    def settings(self) -> Path:
        """Where settings are."""
        return self.directory / "kai.yml"

    @property
    def vault(self) -> Path:
        """Where secrets are."""
        return self.directory / "vault.yml"


class Inventory:
    """An inventory as Ansible reads it."""

    def __init__(self, path: Path, *, make_localhost: bool = False) -> None:
        """Open an inventory; a missing one may stand for the local host alone.

        Raises CommandError when it cannot be read.
        """
        self.path = path
        self.is_new = False
        if not path.exists():
            if not make_localhost:
                raise CommandError(
                    f"There is no inventory at {path}.\n"
                    f"Run kai-ansible config to make one, or name another with --inventory."
                )
            self.is_new = True
        elif not os.access(path, os.R_OK):
            raise CommandError(
                f"The inventory {path} cannot be read by you.\nFix: chmod u+r {path}"
            )

    @property
    def directory(self) -> Path:
        """Where host_vars lie."""
        return self.path.parent if self.path.is_file() else self.path

    def host_vars(self, host: str) -> HostVars:
        """Return the files of a host. Raises CommandError when one file stands in their way."""
        directory = self.directory / "host_vars" / host
        for other in (directory, *(directory.with_name(host + end) for end in (".yml", ".yaml"))):
            if other.is_file():
                raise CommandError(
                    f"{other} is a file; kai-ansible keeps a host's settings in a directory.\n"
                    f"Fix: mv {other} {other}.old && mkdir {directory} && "
                    f"mv {other}.old {directory}/main.yml"
                )
        return HostVars(host, directory)

    def hosts(self, pattern: str | None) -> list[str]:
        """Return the hosts that a pattern names; without one the only host there is.

        Raises CommandError when there is none, or more than one and no pattern.
        """
        if self.is_new:
            if pattern not in (None, LOCALHOST, "all"):
                raise CommandError(
                    f"There is no inventory at {self.path}, so there is no host {pattern!r}.\n"
                    f"Add it to {self.path}/hosts.yml, or leave it out to install on this host."
                )
            return [LOCALHOST]
        manager = self._ansible(None)[1]
        every = sorted(host.name for host in manager.get_hosts("all"))
        if not every:
            raise CommandError(
                f"The inventory {self.path} has no hosts.\nAdd one to {self.path}/hosts.yml."
            )
        if pattern is None:
            if len(every) > 1:
                raise CommandError(
                    f"The inventory {self.path} has several hosts: {', '.join(every)}.\n"
                    f"Name one of them, or 'all'."
                )
            return every
        found = [host.name for host in manager.get_hosts(pattern)]
        if not found:
            raise CommandError(
                f"The inventory {self.path} has no host {pattern!r}.\nIt has: {', '.join(every)}."
            )
        return found

    def variables(self, host: str, password: VaultPassword | None) -> dict[str, Any]:
        """Return every kai_install_* variable of a host as the role will see it.

        Raises CommandError for anything that Ansible cannot read.
        """
        if self.is_new:
            return {}
        from ansible.errors import AnsibleError
        from ansible.template import Templar
        from ansible.vars.manager import VariableManager

        if password:
            for path in self._locked_files(host):
                unlock(read_text(path), password, path)
        try:
            loader, manager = self._ansible(password)
            everything = VariableManager(loader=loader, inventory=manager).get_vars(
                host=manager.get_host(host)
            )
            templar = Templar(loader=loader, variables=everything)
            return {
                name: plain(templar.template(value))
                for name, value in everything.items()
                if name.startswith(PREFIX)
            }
        except AnsibleError as error:
            for path in self._variable_files(host):
                if not read_text(path).startswith(VAULT_HEADER):
                    # Ansible does not say in which file the YAML is wrong
                    _load(read_text(path), path)
            raise CommandError(
                f"The variables of {host} cannot be read.\n{_told(error)}"
            ) from error

    def has_vault(self, host: str) -> bool:
        """Return whether a file of the host is locked, so that a password is needed."""
        return not self.is_new and bool(self._locked_files(host))

    def is_local(self, host: str) -> bool:
        """Return whether Ansible works on this very machine for a host."""
        if self.is_new:
            return True
        manager = self._ansible(None)[1]
        found = manager.get_host(host).get_vars()
        return found.get("ansible_connection") == "local" or (
            host == LOCALHOST and "ansible_connection" not in found
        )

    def _variable_files(self, host: str) -> list[Path]:
        directories = [self.directory / "group_vars", self.directory / "host_vars" / host]
        files = [path for directory in directories for path in directory.rglob("*.y*ml")]
        return [path for path in sorted(files) if path.is_file()]

    def _locked_files(self, host: str) -> list[Path]:
        files = self._variable_files(host)
        return [path for path in files if read_text(path).startswith(VAULT_HEADER)]

    def _ansible(self, password: VaultPassword | None) -> tuple[Any, Any]:
        os.environ["ANSIBLE_INVENTORY_UNPARSED_FAILED"] = "true"
        os.environ["ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED"] = "true"
        from ansible.errors import AnsibleError
        from ansible.inventory.manager import InventoryManager
        from ansible.parsing.dataloader import DataLoader

        loader = DataLoader()
        if password:
            loader.set_vault_secrets([("default", password.secret)])
        try:
            return loader, InventoryManager(loader=loader, sources=[str(self.path)])
        except AnsibleError as error:
            raise CommandError(
                f"The inventory {self.path} cannot be read.\n{_told(error)}"
            ) from error


def plain(value: Any) -> Any:
    """Return Ansible's value as ordinary data."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float):
        # Ansible's own kinds of numbers cannot be written as YAML
        if isinstance(value, kind):
            return kind(value)
    return "".join(str(value))


def read_text(path: Path) -> str:
    """Return a file's text, empty when there is no file.

    Raises CommandError when it cannot be read: unreadable is not absent.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise CommandError(f"{path} cannot be read: {reason}.\nFix: ls -l {path}") from error


def edited_texts(
    files: HostVars,
    changes: Mapping[str, Any],
    is_secret: Callable[[str], bool],
    password: VaultPassword,
) -> tuple[dict[Path, str], list[str]]:
    """Return the new text of each file of a host that changes, and what was moved.

    changes: variables by name, REMOVED to take one out. A secret always goes to the vault, and out
    of the settings when it stood there. Comments, order and what is not changed stay.
    """
    settings_text = read_text(files.settings)
    vault_text = read_text(files.vault)
    locked = vault_text.startswith(VAULT_HEADER)
    opened = unlock(vault_text, password, files.vault) if locked else vault_text
    settings, vault = _load(settings_text, files.settings), _load(opened, files.vault)
    moved = [name for name in settings if is_secret(name)]
    for name in moved:
        # where both files have it, Ansible takes the vault's
        vault.setdefault(name, settings.pop(name))
    seen_by_ansible = {**_seen_by_ansible(settings_text), **_seen_by_ansible(opened)}
    for name, value in changes.items():
        target, other = (vault, settings) if is_secret(name) else (settings, vault)
        other.pop(name, None)
        if isinstance(value, Removed):
            target.pop(name, None)
        elif name not in target:
            target[name] = _node(value)
        else:
            target[name] = _edited(target[name], seen_by_ansible[name], value)
    new_settings = _edited_text(settings, settings_text, files.settings, KAI_HEADER)
    new_vault = _edited_text(vault, opened, files.vault, VAULT_TEXT_HEADER)
    texts = {}
    if new_settings != settings_text:
        texts[files.settings] = new_settings
    if vault and (new_vault != opened or not locked):
        texts[files.vault] = lock(new_vault, password)
    return texts, moved


def write_host_vars(inventory: Inventory, texts: Mapping[Path, str]) -> list[Path]:
    """Write the texts, and the inventory itself when it is new; return what was written.

    Raises CommandError when a file cannot be written; then none is.
    """
    everything = dict(texts)
    if inventory.is_new:
        everything[inventory.path / "hosts.yml"] = LOCALHOST_INVENTORY
    try:
        write_private(everything)
    except OSError as error:
        raise CommandError(
            f"Nothing was written: {error.filename}: {error.strerror}.\n"
            f"Fix: make {inventory.directory} writable for you."
        ) from error
    return list(everything)


def _yaml(*, explicit_start: bool = True) -> YAML:
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.explicit_start = explicit_start
    yaml.width = 2**16
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _load(text: str, path: Path) -> CommentedMap:
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.error import YAMLError

    try:
        loaded = _yaml().load(text)
    except YAMLError as error:
        raise CommandError(f"{path} is not valid YAML.\n{error}\nFix: mend that line.") from error
    if loaded is None:
        return CommentedMap()
    if not isinstance(loaded, CommentedMap):
        found = "a list" if isinstance(loaded, list) else "text"
        raise CommandError(
            f"{path} holds {found}; expected a mapping of variables.\n"
            f"Fix: write one 'name: value' per line."
        )
    return loaded


def _node(value: Any) -> Any:
    from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(value, str):
        if TEMPLATE.search(value):
            # Ansible would evaluate it
            return TaggedScalar(value, style='"', tag="!unsafe")
        # quoted always, so that no reader takes it for a number, a date or a boolean
        return DoubleQuotedScalarString(value)
    if isinstance(value, dict):
        return CommentedMap((_key(key), _node(item)) for key, item in value.items())
    if isinstance(value, list):
        return CommentedSeq(_node(item) for item in value)
    return value


def _key(key: Any) -> Any:
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if not isinstance(key, str) or _PLAIN_KEY.fullmatch(key):
        return key
    return DoubleQuotedScalarString(key)


def _seen_by_ansible(text: str) -> dict[str, Any]:
    # YAML is edited by version 1.2, but Ansible reads 1.1, where an unquoted yes is a boolean
    from ansible.parsing.dataloader import DataLoader

    return dict(DataLoader().load(text) or {})


def _edited(node: Any, seen: Any, value: Any) -> Any:
    """Return a node of the file with a new value; what is the same in it keeps its comments.

    seen: what Ansible reads in the node.
    """
    if isinstance(node, dict) and isinstance(seen, dict) and isinstance(value, dict):
        for key in [key for key in node if key not in value]:
            del node[key]
        for key, item in value.items():
            if key in seen:
                node[key] = _edited(node[key], seen[key], item)
            else:
                node[_key(key)] = _node(item)
        return node
    if isinstance(node, list) and isinstance(seen, list) and isinstance(value, list):
        return _edited_list(node, seen, value)
    # True equals 1, but is something else
    same = type(plain(seen)) is type(value) and bool(plain(seen) == value)
    return node if same and not _is_template(node, value) else _node(value)


def _edited_list(node: Any, seen: list[Any], value: list[Any]) -> Any:
    from difflib import SequenceMatcher

    # True equals 1, but is something else
    before, after = ([repr(plain(item)) for item in items] for items in (seen, value))
    steps = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    for kind, start, end, other_start, other_end in reversed(steps):
        if kind == "equal":
            continue
        # entries that stand in the place of others are those others, changed
        both = min(end - start, other_end - other_start)
        for index in range(both):
            entry = node[start + index]
            changed = _edited(entry, seen[start + index], value[other_start + index])
            node[start + index] = changed
        for index in reversed(range(start + both, end)):
            del node[index]
        for index in reversed(range(other_start + both, other_end)):
            node.insert(start + both, _node(value[index]))
    return node


def _is_template(node: Any, value: Any) -> bool:
    from ruamel.yaml.comments import TaggedScalar

    template = isinstance(value, str) and TEMPLATE.search(value)
    return bool(template) and not isinstance(node, TaggedScalar)


def _edited_text(data: CommentedMap, before: str, path: Path, header: str) -> str:
    # what nobody changed keeps the form that the operator gave it
    after = _dump(data, before, header)
    return before if after == _dump(_load(before, path), before, header) else after


def _dump(data: CommentedMap, before: str, header: str) -> str:
    if not data and not before:
        return ""
    if not before:
        data.yaml_set_start_comment(header)
    stream = io.StringIO()
    _yaml(explicit_start=not before or before.startswith("---")).dump(data, stream)
    return stream.getvalue()


def _told(error: Exception) -> str:
    # its first line names the file; the others would show the source, which may be a secret
    place = str(getattr(error, "_formatted_source_context", None) or "").partition("\n")[0]
    return "\n".join(line for line in [*str(error).splitlines(), place] if line.strip())
