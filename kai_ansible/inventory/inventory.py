"""The operator's inventory: which hosts there are, what is set for them, and writing host_vars."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from kai_ansible.errors import CommandError, refusal
from kai_ansible.files import is_there, write_private
from kai_ansible.host.files import MOST_BYTES, Damaged, look
from kai_ansible.host.symlink_guard import kind_of
from kai_ansible.inventory.ssh import connection_variables
from kai_ansible.inventory.yaml_edit import (
    check_depth,
    fault_in_yaml,
    lines_of,
    meaning,
    same,
    with_lines,
    with_name,
    with_variable,
    without_variable,
)
from kai_ansible.rules.bounded_yaml import NotATree
from kai_ansible.rules.configuration import PREFIX
from kai_ansible.rules.documents import Unfit
from kai_ansible.rules.documents import read_text as decoded
from kai_ansible.rules.problems import listed, nearest
from kai_ansible.secrets.vault_password import (
    VAULT_HEADER,
    VaultPassword,
    find_vault_password,
    lock,
    unlock,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


BECOME_PASSWORDS = ("ansible_become_password", "ansible_become_pass")
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
        self._read: tuple[Any, Any] | None = None
        self.is_new = False
        if not path.exists():
            if not make_localhost:
                raise refusal(
                    str(path),
                    "no inventory",
                    "a directory or file that names the hosts",
                    "kai-ansible config makes one; or name another with --inventory",
                )
            self.is_new = True
        elif not os.access(path, os.R_OK):
            raise refusal(
                str(path),
                "an inventory that you cannot read",
                "one that you can",
                f"chmod u+r {path}",
            )

    @property
    def directory(self) -> Path:
        """Where host_vars lie."""
        return self.path.parent if self.path.is_file() else self.path

    def host_vars(self, host: str) -> HostVars:
        """Return the files of a host. Raises CommandError when one file stands in their way."""
        # what Ansible reads from a file that is no inventory may be any bytes
        if host in ("", ".", "..") or set(host) & {"/", "\0"}:
            raise refusal(
                str(self.path),
                f"a host named {host!r}",
                "a name that a directory can have",
                "name the host otherwise, and give its address as ansible_host",
            )
        directory = self.directory / "host_vars" / host
        for other in (directory, *(directory.with_name(host + end) for end in (".yml", ".yaml"))):
            if other.is_file():
                raise refusal(
                    str(other),
                    "a file",
                    "a directory, in which kai-ansible keeps the settings of the host",
                    f"mv {other} {other}.old && mkdir {directory} && "
                    f"mv {other}.old {directory}/main.yml",
                )
        files = HostVars(host, directory)
        for path in (files.settings, files.vault):
            # Ansible passes over it, as if nothing were set
            if is_there(path) and not path.is_file():
                found = kind_of(path.lstat())
                raise refusal(str(path), found, "a file, or nothing", f"ls -l {path}")
        return files

    def hosts(self, pattern: str | None) -> list[str]:
        """Return the hosts that a pattern names; without one the only host there is.

        Raises CommandError when there is none, or more than one and no pattern.
        """
        if self.is_new:
            if pattern not in (None, LOCALHOST, "all"):
                raise refusal(
                    str(self.path),
                    f"no inventory, so there is no host {pattern!r}",
                    "an inventory that has it",
                    f"add it to {self.path}/hosts.yml, or leave it out to install on this host",
                )
            return [LOCALHOST]
        manager = self._ansible(None)[1]
        every = sorted(plain(host.name) for host in manager.get_hosts("all"))
        if not every:
            raise refusal(
                str(self.path), "no hosts", "one at least", f"add one to {self.path}/hosts.yml"
            )
        if pattern is None:
            if len(every) > 1:
                raise refusal(
                    str(self.path),
                    f"several hosts: {listed(every)}",
                    "the name of one, or a pattern",
                    "name it after the command; 'all' is every host",
                )
            return every
        found = [plain(host.name) for host in manager.get_hosts(pattern)]
        if not found:
            raise refusal(
                str(self.path),
                f"no host {pattern!r}{nearest(pattern, every)}",
                f"one of {listed(every)}",
                f"name one of them, or add it to {self.path}",
            )
        return found

    def variables(self, host: str, password: VaultPassword | None) -> dict[str, Any]:
        """Return every kai_install_* variable of a host as the role will see it.

        Raises CommandError for anything that Ansible cannot read.
        """
        return self._chosen(host, password, lambda name: name.startswith(PREFIX))

    def connection(self, host: str, password: VaultPassword | None) -> dict[str, Any]:
        """Return the variables of a host that tell how Ansible reaches it.

        Raises CommandError for anything that Ansible cannot read.
        """
        wanted = {*connection_variables(), *BECOME_PASSWORDS}
        found = self._chosen(host, password, wanted.__contains__)
        return {"ansible_connection": "local", **found} if self.is_local(host) else found

    def _chosen(
        self, host: str, password: VaultPassword | None, wanted: Callable[[str], bool]
    ) -> dict[str, Any]:
        if self.is_new:
            return {}
        from ansible.errors import AnsibleError
        from ansible.template import Templar
        from ansible.vars.manager import VariableManager

        for path, text in self.variable_texts(host, password).items():
            if not text.startswith(VAULT_HEADER):
                try:
                    check_depth(text)
                except NotATree as error:
                    raise not_yaml(path, error) from error
        try:
            loader, manager = self._ansible(password)
            everything = VariableManager(loader=loader, inventory=manager).get_vars(
                host=manager.get_host(host)
            )
            templar = Templar(loader=loader, variables=everything)
            return {
                name: plain(templar.template(value))
                for name, value in everything.items()
                if wanted(name)
            }
        except AnsibleError as error:
            for path in self._variable_files(host):
                if not read_text(path).startswith(VAULT_HEADER):
                    # Ansible does not say in which file the YAML is wrong
                    content_of(read_text(path), path)
            raise refusal(
                f"variables of {host}",
                _told(error),
                "variables that Ansible can read",
                f"mend that place; ansible-inventory -i {self.path} --host {host} reads it again",
            ) from error

    def places(self, host: str, password: VaultPassword | None) -> dict[str, Path]:
        """Return the file that decides the value of each variable of a host that has one.

        Raises CommandError for a file that cannot be read.
        """
        found: dict[str, Path] = {}
        for path, text in self.variable_texts(host, password).items():
            found.update(dict.fromkeys(content_of(text, path), path))
        return found

    def variable_texts(self, host: str, password: VaultPassword | None) -> dict[Path, str]:
        """Return the text of each file with variables of a host, the one that decides at the end.

        What is locked is opened with the password. Raises CommandError for a file that cannot be
        read.
        """
        texts = {}
        for path in [] if self.is_new else self._variable_files(host):
            text = read_text(path)
            if text.startswith(VAULT_HEADER) and password:
                text = unlock(text, password, path)
            texts[path] = text
        return texts

    def has_vault(self, host: str) -> bool:
        """Return whether a file of the host is locked, so that a password is needed."""
        return not self.is_new and bool(self._locked_files(host))

    def vault_password(
        self, hosts: Iterable[str], named: Path | None, ids: Sequence[str], *, may_ask: bool
    ) -> VaultPassword:
        """Return the password for the locked files of hosts, one made for them if there is none.

        named: the file that gives it. ids: more vault ids, as ``find_vault_password`` takes them.
        Raises CommandError when a password is needed and not to be had.
        """
        needed = any(self.has_vault(host) for host in hosts)
        return find_vault_password(named, self.path, needed=needed, ids=ids, may_ask=may_ask)

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
        """Return the files with variables of a host, the one that decides last at the end."""
        from ansible.inventory.helpers import sort_groups

        loader, manager = self._ansible(None)
        groups = sort_groups(manager.get_host(host).get_groups())
        places = [("group_vars", group.name) for group in groups] + [("host_vars", host)]
        return [
            Path(plain(os.fsdecode(path)))
            for directory, name in places
            for path in loader.find_vars_files(str(self.directory / directory), name)
        ]

    def _locked_files(self, host: str) -> list[Path]:
        files = self._variable_files(host)
        return [path for path in files if read_text(path).startswith(VAULT_HEADER)]

    def _ansible(self, password: VaultPassword | None) -> tuple[Any, Any]:
        """Return Ansible's loader and its inventory, which is read once."""
        if self._read is None:
            self._read = self._as_ansible_reads_it()
        loader, _manager = self._read
        if password:
            loader.set_vault_secrets(password.secrets)
        return self._read

    def _as_ansible_reads_it(self) -> tuple[Any, Any]:
        os.environ["ANSIBLE_INVENTORY_UNPARSED_FAILED"] = "true"
        os.environ["ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED"] = "true"
        from ansible.errors import AnsibleError
        from ansible.inventory.manager import InventoryManager
        from ansible.parsing.dataloader import DataLoader

        loader = DataLoader()
        try:
            return loader, InventoryManager(loader=loader, sources=[str(self.path)])
        except AnsibleError as error:
            raise refusal(
                str(self.path),
                _told(error),
                "an inventory that Ansible can read",
                f"mend that place; ansible-inventory -i {self.path} --list reads it again",
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
        text = decoded(_content(path))
    except Damaged as error:
        raise CommandError("Nothing was changed.", problems=[error.problem]) from error
    except Unfit as error:
        place = f"{path}{error.place}"
        raise refusal(place, error.found, error.expected, "mend that place") from error
    except OSError as error:
        raise refusal(
            str(path),
            f"what cannot be read: {error.strerror}",
            "UTF-8 text that you can read",
            f"ls -l {path}",
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _content(path: Path) -> bytes:
    # a shell names the pipe of another command like this; nobody writes to one that lies about
    if not str(path).startswith("/dev/"):
        return look(str(path), f"look at it: ls -l {path}", links=True).content or b""
    with path.open("rb") as handle:
        return handle.read(MOST_BYTES)


def edited_texts(
    files: HostVars,
    changes: Mapping[str, Any],
    is_secret: Callable[[str], bool],
    password: VaultPassword,
    along: Mapping[str, Any] | None = None,
) -> tuple[dict[Path, str], list[str]]:
    """Return the new text of each file of a host that changes, and what was moved.

    changes: variables by name, REMOVED to take one out. A secret always goes to the vault, and out
    of the settings when it stood there. Every character that is not a changed value's stays.
    along: what is set as well where anything changes at all.
    Raises CommandError for a file that is not written in a way that can be edited.
    """
    vault_text = read_text(files.vault)
    locked = vault_text.startswith(VAULT_HEADER)
    opened = unlock(vault_text, password, files.vault) if locked else vault_text
    settings = EditedFile(files.settings, read_text(files.settings), KAI_HEADER)
    vault = EditedFile(files.vault, opened, VAULT_TEXT_HEADER)
    moved = [name for name in settings.content if is_secret(name)]
    for name in moved:
        # where both files have it, Ansible takes the vault's
        if name not in vault.content:
            vault.take_over(settings, name)
        settings.remove(name)
    for name, value in changes.items():
        target, other = (vault, settings) if is_secret(name) else (settings, vault)
        other.remove(name)
        if isinstance(value, Removed):
            target.remove(name)
        else:
            target.set(name, value)
    texts = {}
    if settings.text != settings.before:
        texts[files.settings] = settings.checked()
    if vault.content and (vault.text != vault.before or not locked):
        texts[files.vault] = lock(vault.checked(), password, vault_text)
    if texts and along:
        return edited_texts(files, {**along, **changes}, is_secret, password)
    return texts, moved


class EditedFile:
    """A file of variables while it is edited.

    before: what it said at first, and held: the variables that it had then.
    text: what it says now. content: what that has to mean.
    """

    def __init__(self, path: Path, text: str, header: str) -> None:
        """Begin with the text of a file. header: the comment that a new file begins with.

        Raises CommandError when the text is no file of variables.
        """
        self.path = path
        self.before = self.text = text
        self.header = header
        self.content = content_of(text, path)
        self.held = frozenset(self.content)

    def set(self, name: str, value: Any) -> None:
        """Give a variable a value."""
        self.content[name] = value
        self._become(with_variable(self._begun, name, value))

    def remove(self, name: str) -> None:
        """Take a variable out where it stands."""
        if name in self.content:
            del self.content[name]
            self._become(without_variable(self.text, name))

    def rename(self, name: str, other: str) -> None:
        """Give a variable another name, unless that one has the same value already."""
        if other in self.content:
            self.remove(name)
            return
        self.content[other] = self.content.pop(name)
        self._become(with_name(self.text, name, other))

    def take_over(self, other: EditedFile, name: str) -> None:
        """Take a variable as it is written in another file."""
        self.content[name] = other.content[name]
        self._become(with_lines(self._begun, lines_of(other.text, name)))

    def checked(self) -> str:
        """Return the text, which means what it has to. Raises CommandError when it does not."""
        try:
            understood = same(meaning(self.text) or {}, self.content)
        except yaml.YAMLError:
            understood = False
        if not understood:
            raise self._refusal()
        return self.text

    @property
    def _begun(self) -> str:
        return self.text or "---\n" + "".join(f"# {line}\n" for line in self.header.splitlines())

    def _become(self, text: str | None) -> None:
        if text is None:
            raise self._refusal()
        self.text = text

    def _refusal(self) -> CommandError:
        return refusal(
            str(self.path),
            "YAML that cannot be edited without changing more of it",
            "one 'name: value' per line, without anchors",
            "write it so",
            told="Nothing was written.",
        )


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
        raise refusal(
            str(error.filename),
            str(error.strerror),
            "a place that you can write to",
            f"make {inventory.directory} writable for you",
            told="Nothing was written.",
        ) from error
    return list(everything)


def content_of(text: str, path: Path) -> dict[str, Any]:
    """Return what a file of variables means. Raises CommandError, with the line and the cause."""
    try:
        content = meaning(text)
    except (yaml.YAMLError, NotATree) as error:
        raise not_yaml(path, error) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        found = "a list" if isinstance(content, list) else "text"
        raise refusal(
            str(path), found, "a mapping of variables", "write one 'name: value' per line"
        )
    return content


def nothing_known(host: str, files: HostVars) -> CommandError:
    """Return the error of a host that was never configured."""
    return refusal(
        str(files.directory),
        f"nothing that is set for {host}",
        "its settings",
        f"kai-ansible config {host}",
    )


def not_yaml(path: Path, error: Exception) -> CommandError:
    """Return the error of a file that is no YAML; error: as for ``fault_in_yaml``."""
    found = f"no valid YAML: {fault_in_yaml(error)}"
    return refusal(str(path), found, "valid YAML", "mend it there")


def _told(error: Exception) -> str:
    # its first line names the file; the others would show the source, which may be a secret
    place = str(getattr(error, "_formatted_source_context", None) or "").partition("\n")[0]
    return "; ".join(line for line in [*str(error).splitlines(), place] if line.strip())
