"""What the wizard sees of the host that it asks about."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kai_ansible.ansible.request import Run
from kai_ansible.ansible.runner import Outcome, run_playbook
from kai_ansible.errors import CommandError, usage_error
from kai_ansible.files import write_private
from kai_ansible.inventory.inventory import LOCALHOST_INVENTORY, Inventory
from kai_ansible.operator import may_become_root
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.documents import Unfit, read_text
from kai_ansible.rules.plan import probe_request
from kai_ansible.rules.problems import Problem, listed
from kai_ansible.rules.program_trust import in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kai_ansible.rules.configuration import Configuration
    from kai_ansible.secrets.vault_password import VaultPassword
    from kai_ansible.terminal.screen import Screen


_REASON_LINES = 3


class Unseen(CommandError):
    """A host that cannot be looked at."""


class HostView:
    """Looks at a host through Ansible, as seldom as it can."""

    def __init__(
        self,
        contract: Contract,
        inventory: Inventory,
        host: str,
        password: VaultPassword | None,
        screen: Screen,
        *,
        enabled: bool = True,
        become_password: str | None = None,
    ) -> None:
        """Prepare to look; with ``enabled`` false every look sees nothing.

        become_password: for sudo on the host, None when there is none to give.
        """
        self.contract = contract
        self.inventory = inventory
        self.host = host
        self.password = password
        self.screen = screen
        self.enabled = enabled
        self.become_password = become_password
        self.seen: list[tuple[dict[str, Any], dict[str, Any] | None]] = []

    def look(self, configuration: Configuration) -> dict[str, Any] | None:
        """Return what kai_probe finds under a configuration, None when the host is unreachable.

        An unreachable host is reported once. Raises CommandError for an unsupported system.
        """
        return self.look_for_each([configuration])

    def look_for_each(self, configurations: Sequence[Configuration]) -> dict[str, Any] | None:
        """Return what ``look`` does, for the agents of several configurations at once.

        configurations: they differ in their backends only.
        """
        # these were refused if they are not there, and without them there is nothing to look for
        named = {"service_user", "install_dir"} <= configurations[0].host.keys()
        if not self.enabled or not named:
            return None
        requests = [probe_request(self.contract, configuration) for configuration in configurations]
        agents = {agent["backend"]: agent for request in requests for agent in request["binaries"]}
        request = {**requests[0], "binaries": list(agents.values()), "versions": True}
        for earlier, seen in self.seen:
            if _covers(earlier, request):
                return seen
        with self.screen.waiting(f"Looking at {self.host}"):
            seen = self._look(request)
        self.seen.append((request, seen))
        return seen

    @property
    def was_looked_at(self) -> bool:
        """Whether there was a look already, so that another one costs nobody a surprise."""
        return bool(self.seen)

    @property
    def latest(self) -> dict[str, Any] | None:
        """What the last look saw, None when there was none."""
        return next((seen for _, seen in reversed(self.seen) if seen), None)

    def remark_on(self, path: str) -> str:
        """Return the version of an agent's binary and who may change it, as far as was seen."""
        remarks: dict[str, None] = {}
        for _, seen in self.seen:
            for candidates in seen["binaries"].values() if seen else ():
                for candidate in candidates:
                    if candidate["path"] != path:
                        continue
                    if candidate.get("version"):
                        remarks[str(candidate["version"])] = None
                    if candidate.get("changers"):
                        remarks[f"can be changed by {in_words(*candidate['changers'])}"] = None
        return "; ".join(remarks)

    def in_words(self, python: str) -> str:
        """Return in a line what the last look saw of the host itself, empty when there was none.

        python: the interpreter that was asked for, empty for the newest.
        """
        seen = self.latest
        if seen is None:
            return ""
        usable = [entry for entry in seen["interpreters"] if not entry["fault"]]
        found = next((entry for entry in usable if python in ("", entry["path"])), None)
        words = [f"Python {found['version']} ({found['path']})" if found else "no usable Python"]
        if seen["sudo"]["version"]:
            words.append(seen["sudo"]["version"].lower())
        words.append("the bot runs" if seen["service"]["active"] else "no bot runs")
        return f"On {self.host}: {', '.join(words)}."

    def fault_of(self, configuration: Configuration, backend: str, path: str) -> str | None:
        """Return why the accounts of a backend cannot execute a path, None when they can.

        None also when the host cannot be looked at. Looks again only for a path not seen yet.
        """
        for seen in [*(seen for _, seen in self.seen), None]:
            looked = seen or self.look(configuration)
            for candidate in looked["binaries"].get(backend, []) if looked else ():
                if candidate["path"] == path:
                    fault: str | None = candidate["fault"]
                    return fault
        return None

    def fetch(self, paths: Sequence[str]) -> dict[str, str]:
        """Return the text of each of the host's files that exists, by path.

        Without the first one the others are not looked for, and nothing is returned.
        Raises Unseen when the host cannot be looked at, and CommandError when a file is there that
        cannot be read: unreadable is not absent.
        """
        with tempfile.TemporaryDirectory(prefix="kai-ansible-") as scratch:
            variables = {"kai_fetch_paths": list(paths), "kai_fetch_directory": scratch}
            with self.screen.waiting(f"Reading what is deployed on {self.host}"):
                outcome = self._run("fetch", variables)
            report = outcome.reports.get(self.host)
            if report is None:
                self.enabled = False
                raise Unseen(f"{self.host} could not be looked at: {_reason(outcome)}")
            if paths[0] in report["absent"]:
                return {}
            there = [path for path in paths if path not in report["absent"]]
            unreadable = [path for path in there if path not in report["readable"]]
            if unreadable:
                raise usage_error(
                    f"{self.host}: {listed(unreadable)}",
                    "what cannot be read without privilege",
                    "what is deployed there",
                    "run this through sudo or with --ask-become-pass, or start from nothing with "
                    "--no-probe",
                )
            if not outcome.succeeded:
                raise usage_error(
                    self.host,
                    f"what could not be looked at: {_reason(outcome)}",
                    "what is deployed there",
                    "mend that, or start from nothing with --no-probe",
                )
            return {path: _text(Path(scratch + path), path) for path in there}

    def _look(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        outcome = self._run("probe", {"kai_probe_request": dict(request)})
        if outcome.succeeded:
            seen = dict(outcome.reports[self.host])
            if seen["platform"] not in self.contract.platforms:
                # the probe reports the system by name, and nothing else
                raise CommandError(
                    "Nothing was changed.", problems=[Problem(**fault) for fault in seen["faults"]]
                )
            return seen
        self.enabled = False
        self.screen.notes(
            [f"{self.host} could not be looked at, so nothing was checked: {_reason(outcome)}"]
        )
        return None

    def _run(self, playbook: str, variables: Mapping[str, Any]) -> Outcome:
        """Run a playbook that only looks, as root where that is possible.

        Raises KeyboardInterrupt when it was interrupted.
        """
        with tempfile.TemporaryDirectory(prefix="kai-ansible-") as scratch:
            path = self.inventory.path
            if self.inventory.is_new:
                path = Path(scratch) / "hosts.yml"
                write_private({path: LOCALHOST_INVENTORY})
            for become in self._privileges():
                outcome = run_playbook(
                    Run(
                        playbook,
                        path,
                        [self.host],
                        variables={**variables, "kai_become": become},
                        vault_password=self.password if not self.inventory.is_new else None,
                        session=self.inventory.session,
                        ssh_commands=self.inventory.ssh_commands,
                        become_password=self.become_password,
                    ),
                    lambda event: None,
                )
                if outcome.interrupted:
                    raise KeyboardInterrupt
                if outcome.succeeded or "sudo" not in _reason(outcome):
                    break
        return outcome

    def _privileges(self) -> Sequence[bool]:
        if self.become_password is not None:
            return [True]
        if self.inventory.known(self.host).local:
            return [may_become_root()]
        # only the host itself knows whether its sudo wants a password
        return [True, False]


def _covers(earlier: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    """Return whether an earlier request saw everything that a request asks for."""
    others = [name for name in request if name != "binaries"]
    return all(earlier[name] == request[name] for name in others) and all(
        agent in earlier["binaries"] for agent in request["binaries"]
    )


def _reason(outcome: Outcome) -> str:
    if not outcome.failures:
        return "no reason given"
    # the first line may only say that the host said something else than was expected
    return "; ".join(outcome.failures[0].message.splitlines()[:_REASON_LINES])


def _text(path: Path, name: str) -> str:
    try:
        return read_text(path.read_bytes())
    except Unfit as error:
        place = f"{name}{error.place} of the host"
        raise usage_error(place, error.found, error.expected, "mend it there") from error
