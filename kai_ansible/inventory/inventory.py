"""Read the operator's inventory and the variables of its hosts, and write files to it."""

from __future__ import annotations

import os
import re
import shlex
import stat
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from kai_ansible.ansible.advice import advice_for
from kai_ansible.ansible.api import endings_of_variables
from kai_ansible.ansible.reading import HostReading, NotRead, Reading, hosts_of, read
from kai_ansible.errors import CommandError, ExitCode, full_disk_error, usage_error
from kai_ansible.files import (
    from_here,
    is_there,
    private_directory,
    uninterrupted,
    write_files,
)
from kai_ansible.host.files import MOST_BYTES
from kai_ansible.host.symlink_guard import kind_of
from kai_ansible.inventory.default_inventory import is_ignored_by_ansible
from kai_ansible.inventory.host_vars import variable_is_secret
from kai_ansible.inventory.host_vars_files import HostVars
from kai_ansible.inventory.variable_files import (
    VARIABLE_SUFFIXES,
    each_once,
    inventory_files,
    variable_files,
)
from kai_ansible.inventory.variable_text import cannot_be_read, content_of, has_vault, read_text
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.problems import Problem, listed, nearest
from kai_ansible.secrets.vault_password import (
    VAULT_HEADER,
    VaultPassword,
    VaultSources,
    chosen_password,
    no_password,
    opens,
    own_password,
    unlock,
)

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
# of Ansible, of its prompt for a vault password
_ENDED_PROMPT = "EOFError (ctrl-d) on prompt"
# of Ansible, of a file of hosts
_UNPARSED = "failed to parse inventory source"


class UnreadableInventory(CommandError):
    """An inventory, or variables in it, that Ansible cannot read."""


class Inventory:
    """An inventory as Ansible reads it."""

    def __init__(self, path: Path, *, make_localhost: bool = False) -> None:
        """Open an inventory; a missing one may mean the local host alone.

        Raises CommandError when it cannot be read.
        """
        self.path = path
        self.reading = Reading()
        self.is_new = False
        if not path.exists():
            if not make_localhost:
                found = "no inventory"
                if is_ignored_by_ansible():
                    found += ", and Ansible ignores ansible.cfg where every account can write"
                raise usage_error(
                    str(path),
                    found,
                    "a directory or file that names the hosts",
                    "kai-ansible config makes one; or name another with --inventory",
                )
            self.is_new = True
        elif not os.access(path, os.R_OK):
            raise usage_error(
                str(path),
                "an inventory that you cannot read",
                "one that you can",
                f"chmod u+r {shlex.quote(str(path))}",
            )

    @property
    def directory(self) -> Path:
        """The directory that has host_vars and group_vars."""
        return self.path.parent if self.path.is_file() else self.path

    def host_vars(self, host: str, *, to_write: bool = True) -> HostVars:
        """Return the files of a host. Raises CommandError for a name that no directory can have.

        to_write: raise CommandError as well if another file blocks their place.
        """
        # a file that is no inventory may contain any bytes
        if host in ("", ".", "..") or set(host) & {"/", "\0"}:
            raise usage_error(
                str(self.path),
                f"a host named {host!r}",
                "a name that a directory can have",
                "name the host otherwise, and give its address as ansible_host",
            )
        directory = self.directory / "host_vars" / host
        files = HostVars(host, directory)
        if not to_write:
            return files
        endings = endings_of_variables()
        for ending in ("", *endings):
            other = directory.with_name(host + ending)
            old, new = shlex.quote(str(other)), shlex.quote(str(directory))
            if other.is_dir() and ending:
                # Ansible reads it as well, but only while there is none without the ending
                raise usage_error(
                    str(other),
                    "a directory with an ending, which one without it would hide from Ansible",
                    "a directory named as the host",
                    f"mv {old} {new}",
                )
            if other.is_file():
                raise usage_error(
                    str(other),
                    "a file",
                    "a directory, in which kai-ansible keeps the settings of the host",
                    f"mv {old} {old}.old && mkdir {new} && "
                    f"mv {old}.old {new}/main{ending or '.yml'}",
                )
        for path in (files.settings, files.vault):
            if path.suffix not in endings:
                raise usage_error(
                    str(path),
                    f"a file that Ansible passes over, as yaml_valid_extensions is {endings}",
                    f"{path.suffix} among the endings of files of variables",
                    f"add {path.suffix} to yaml_valid_extensions in ansible.cfg",
                )
            # Ansible passes over it, as if nothing were set
            if is_there(path) and not path.is_file():
                found = kind_of(path.lstat())
                raise usage_error(
                    str(path), found, "a file, or nothing", f"ls -l {shlex.quote(str(path))}"
                )
        return files

    def read(
        self, pattern: str | None, named: Path | None, ids: Sequence[str], *, may_ask: bool
    ) -> VaultPassword:
        """Let Ansible read the hosts that a pattern names; without one there must be only one.

        named: a file that has a vault password (--vault-password-file). ids: --vault-id. may_ask:
        whether the command may ask for passwords.
        Return the vault password that encrypts new vaults and decrypts present ones.
        Raises CommandError for anything that Ansible cannot read, and when no host is named.
        """
        self.refuse_host_without_inventory(pattern)
        found, password = self._read(pattern, VaultSources(named, ids), may_ask=may_ask)
        self.reading = found
        if not found.hosts:
            self._refuse_no_hosts(pattern, self.hosts_named(None, named, ids))
        if pattern is None and len(found.hosts) > 1:
            raise usage_error(
                str(self.path),
                f"several hosts: {listed(sorted(found.hosts))}",
                "the name of one, or a pattern",
                "name it after the command; 'all' is every host",
            )
        return password

    def refuse_host_without_inventory(self, pattern: str | None) -> None:
        """Raise CommandError for another host than this one where there is no inventory yet."""
        if self.is_new and pattern not in (None, LOCALHOST, "all"):
            raise usage_error(
                str(self.path),
                f"no inventory, so there is no host {pattern!r}",
                "an inventory that has it",
                f"add it to {self.path}/hosts.yml, or leave it out to install on this host",
            )

    @property
    def hosts(self) -> list[str]:
        """The hosts that were read, in the order of the inventory."""
        return list(self.reading.hosts)

    @property
    def ssh_commands(self) -> dict[str, Sequence[str]]:
        """How to log in on each host that is reached by ssh."""
        return {host: known.ssh for host, known in self.reading.hosts.items() if known.ssh}

    def hosts_named(
        self, pattern: str | None = None, named: Path | None = None, ids: Sequence[str] = ()
    ) -> list[str]:
        """Return the hosts of a pattern, even if their variables are invalid; all without one.

        named, ids: as for ``read``. Raises CommandError for an inventory that Ansible cannot read.
        """
        sources = VaultSources(named, ids)
        own = None if sources.named else own_password(self.path)
        with private_directory() as scratch:
            arguments = sources.arguments(own, scratch)
            try:
                return sorted(hosts_of(self.path, pattern, arguments))
            except NotRead as error:
                refused = self._unreadable(error, sources, own, at_terminal=False)
                raise refused from error

    def known(self, host: str) -> HostReading:
        """Return everything that Ansible knows of a host that was read."""
        return self.reading.hosts[host]

    def variables(self, host: str) -> dict[str, Any]:
        """Return every kai_install_* variable of a host as the role will see it.

        Raises CommandError for anything that Ansible cannot read.
        """
        known = self.reading.hosts[host]
        faults = dict(known.faults)
        if known.failure:
            faults = {f"variables of {host}": known.failure}
        if faults:
            # it is met in a play alone: ansible-inventory evaluates nothing, and has no password
            # of ours
            fix = (
                advice_for(known.failure, host) or "fix that place, then run the same command again"
            )
            expected = "variables that Ansible can read"
            raise CommandError(
                "Nothing was changed.",
                problems=[Problem(name, text, expected, fix) for name, text in faults.items()],
                places=self.places(host),
            )
        return dict(known.variables)

    def places(self, host: str) -> dict[str, Path]:
        """Return the file that decides the value of each variable of a host that has one."""
        found: dict[str, Path] = {}
        for file, names in self.reading.hosts[host].files.items():
            found.update(dict.fromkeys(names, from_here(Path(file))))
        return found

    def files_of(self, host: str) -> list[Path]:
        """Return each file with variables of a host that was read, the one that decides last."""
        return [from_here(Path(file)) for file in self.reading.hosts[host].files]

    def overridden(self, host: str, names: Collection[str], contract: Contract) -> list[Problem]:
        """Return a problem for each variable that a later file of the host sets as well.

        Ansible reads the files of a directory by their names, so what is written into the two files
        of ``config`` would not count.
        """
        files = self.host_vars(host, to_write=False)
        directory = files.directory.absolute()
        others = {
            Path(file).relative_to(directory): set_there
            for file, set_there in self.reading.hosts[host].files.items()
            if Path(file).is_relative_to(directory)
        }
        for path in (files.settings, files.vault):
            others.pop(Path(path.name), None)
        problems = []
        for path, set_there in others.items():
            for name in sorted(set(names).intersection(set_there)):
                own = files.vault if variable_is_secret(contract, name) else files.settings
                if path.parts[0] > own.name:
                    shown = from_here(directory / path)
                    found = f"{shown}, which sets it as well and is read after {own.name}"
                    expected = f"one file that sets it, or none after {own.name}"
                    fix = f"change it in {shown}, or remove it there and run this again"
                    problems.append(Problem(name, found, expected, fix))
        return problems

    def variable_texts(self, host: str, password: VaultPassword) -> dict[Path, str]:
        """Return the text of each file with variables of a host, the one that decides at the end.

        Decrypts vaults with the password. Raises CommandError for a file that cannot be
        read.
        """
        texts = {}
        for path in self.files_of(host):
            text = read_text(path)
            texts[path] = unlock(text, password, path) if text.startswith(VAULT_HEADER) else text
        return texts

    def _read(
        self, pattern: str | None, sources: VaultSources, *, may_ask: bool
    ) -> tuple[Reading, VaultPassword]:
        self._refuse_endless_files()
        with private_directory() as scratch:
            path = self.path
            if self.is_new:
                path = scratch / "hosts.yml"
                write_files({path: LOCALHOST_INVENTORY})
            own = None if sources.named else own_password(self.path)
            arguments = sources.arguments(own, scratch)
            at_terminal = may_ask and sys.stdin.isatty()
            try:
                try:
                    found = read(path, pattern, arguments, at_terminal=at_terminal)
                except NotRead as error:
                    if not (error.is_locked and at_terminal):
                        raise
                    found = read(path, pattern, asks_vault_password=True, at_terminal=True)
            except NotRead as error:
                refused = self._unreadable(error, sources, own, at_terminal=at_terminal)
                raise UnreadableInventory(*refused.args, problems=refused.problems) from error
        sources.refuse_missing_of_settings(found.session)
        return found, chosen_password(found.session, sources, own)

    def _refuse_endless_files(self) -> None:
        """Raise CommandError for a file on which Ansible would wait, or fill the memory."""
        for path in self.files_of_variables():
            try:
                status = path.stat()
            except OSError:
                # Ansible says what is wrong with it
                continue
            # any other ending makes it a file of a host or group with a dot in its name, if of any
            is_plain = path.suffix in ("", *VARIABLE_SUFFIXES)
            if stat.S_ISREG(status.st_mode) and status.st_size > MOST_BYTES and is_plain:
                found = f"a file of {status.st_size} bytes"
            elif stat.S_ISREG(status.st_mode):
                continue
            else:
                found = kind_of(status)
            expected = f"a file of at most {MOST_BYTES >> 20} MiB, or nothing"
            raise usage_error(
                str(path), found, expected, f"inspect it: ls -l {shlex.quote(str(path))}"
            )

    def files_of_variables(self) -> list[Path]:
        """Return what may be a file of variables by its place and name, links followed."""
        return [file for place in self._places for file in variable_files(place)]

    def files_with_vaults(self) -> list[Path]:
        """Return each file of variables or of the inventory that is a vault or contains one.

        Raises CommandError for a file or directory that cannot be read.
        """

        def refuse(error: OSError) -> None:
            raise cannot_be_read(Path(str(error.filename)), error) from error

        files = inventory_files(self.path, refuse)
        for place in self._places:
            files += variable_files(place, refuse, endings_of_variables())
        return [file for file in each_once(files) if file.is_file() and has_vault(file)]

    @property
    def _places(self) -> list[Path]:
        return [self.directory / name for name in ("group_vars", "host_vars")]

    def _refuse_no_hosts(self, pattern: str | None, every: Sequence[str]) -> None:
        if not every:
            raise usage_error(
                str(self.path), "no hosts", "one at least", f"add one to {self.path}/hosts.yml"
            )
        raise usage_error(
            str(self.path),
            f"no host {pattern!r}{nearest(str(pattern), every)}",
            f"one of {listed(every)}",
            f"name one of them, or add it to {self.path}",
        )

    def _unreadable(
        self,
        error: NotRead,
        sources: VaultSources,
        own: VaultPassword | None,
        *,
        at_terminal: bool,
    ) -> CommandError:
        """Return why Ansible cannot read the inventory, with the file, which it does not name."""
        known = None if error.is_locked else sources.all_that_need_no_answer(own)
        try:
            locked = self._check_files(known, self._blamed(str(error)))
        except CommandError as refused:
            return refused
        if error.is_locked:
            return no_password(self.path)
        # Ansible says the same where nobody can type
        if at_terminal and _ENDED_PROMPT in str(error):
            return usage_error(
                "the vault password",
                "no password, as Ctrl-D ended the prompt",
                "the password of the vault",
                "run this again and type it, or name its file with --vault-password-file",
            )
        if "vault" in str(error).lower() and "prompt" in str(error):
            return usage_error(
                "the vault password",
                f"no terminal to ask for it: {error}",
                "a terminal, or the name of a file",
                "run this at a terminal, or name the file with --vault-password-file",
            )
        if error.is_closed and locked:
            # where an operator types a password, none of the others needs to open a vault
            if known and not sources.asks:
                path, text = next(iter(locked.items()))
                try:
                    unlock(text, known, path)
                except CommandError as refused:
                    return refused
            return usage_error(
                listed(map(str, locked)),
                "a vault that the password does not open",
                "the password that it was locked with",
                "run this again with the right one, or name its file with --vault-password-file",
            )
        return self._not_an_inventory(error)

    def _not_an_inventory(self, error: NotRead) -> CommandError:
        advice = advice_for(str(error))
        if advice:
            return usage_error("Ansible", str(error), "Ansible to start", advice)
        named = shlex.quote(str(self.path))
        return usage_error(
            str(self.path),
            str(error),
            "an inventory that Ansible can read",
            f"fix that place; ansible-inventory -i {named} --list reads it again",
        )

    def _blamed(self, said: str) -> Sequence[Path]:
        """Return the files of variables that a message of Ansible may be about."""
        files = self.files_of_variables()
        named = [path for path in files if _names(said, path)]
        # that comes first, and names the source
        return named or ([] if _UNPARSED in said else files)

    def _check_files(
        self, password: VaultPassword | None, blamed: Collection[Path]
    ) -> dict[Path, str]:
        """Return the text of each vault that a password does not open.

        Raises CommandError with every blamed file that cannot be read.
        """
        faults: list[Problem] = []
        locked = {}
        files = [*self.files_of_variables(), *inventory_files(self.path)]
        for path in filter(Path.is_file, files):
            # Ansible reads a file with any other ending only if a host or group has that name
            is_plain = path.suffix in ("", *VARIABLE_SUFFIXES)
            if not (path in blamed and is_plain) and not has_vault(path):
                continue
            try:
                text = read_text(path)
                if text.startswith(VAULT_HEADER):
                    if not (password and opens(text, password)):
                        locked[path] = text
                        continue
                    text = unlock(text, password, path)
                if path in blamed:
                    content_of(text, path)
            except CommandError as fault:
                faults += fault.problems
        if faults:
            raise CommandError("Nothing was changed.", problems=faults)
        return locked


def _names(said: str, path: Path) -> bool:
    """Return whether a message has a path, and not another one that begins with it."""
    both = "|".join(re.escape(str(one)) for one in (path.absolute(), path.resolve()))
    return re.search(rf"(?:{both})(?![\w/-]|\.\w)", said) is not None


def write_host_vars(inventory: Inventory, texts: Mapping[Path, str]) -> list[Path]:
    """Write the texts, and a new inventory itself; return the written files.

    Raises CommandError when a file cannot be written; then none is. One that a signal interrupts
    names what was written.
    """
    everything = dict(texts)
    if inventory.is_new:
        everything[inventory.path / "hosts.yml"] = LOCALHOST_INVENTORY
    is_written = False
    try:
        with uninterrupted():
            write_files(everything)
            is_written = True
    except KeyboardInterrupt:
        if not is_written:
            raise
        names = listed(map(str, everything))
        raise CommandError(
            f"Interrupted, but the files are written: {names}", code=ExitCode.INTERRUPTED
        ) from None
    except OSError as error:
        raise full_disk_error(error, "Nothing was written.") or usage_error(
            str(error.filename),
            str(error.strerror),
            "a place that you can write to",
            f"make {inventory.directory} writable for you",
            message="Nothing was written.",
        ) from error
    return list(everything)


def nothing_known(host: str, files: HostVars) -> CommandError:
    """Return the error of a host that was never configured."""
    return usage_error(
        str(files.directory),
        f"nothing that is set for {host}",
        "its settings",
        f"kai-ansible config {host}",
    )
