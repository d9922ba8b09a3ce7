"""Probe the host that the wizard configures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kai_ansible.ansible.as_root import run_as_root_if_possible
from kai_ansible.ansible.playbooks import FETCH, PROBE, Playbook, Report
from kai_ansible.ansible.request import Run
from kai_ansible.ansible.runner import Outcome
from kai_ansible.errors import CommandError, usage_error
from kai_ansible.files import private_directory, write_files
from kai_ansible.inventory.inventory import LOCALHOST_INVENTORY, Inventory
from kai_ansible.rules.configuration import Configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.documents import Unfit, read_text
from kai_ansible.rules.module_arguments import ProbeRequest
from kai_ansible.rules.probe import Probe
from kai_ansible.rules.probe_requests import probe_request
from kai_ansible.rules.problems import Problem, listed
from kai_ansible.rules.program_trust import in_words
from kai_ansible.secrets.vault_password import VaultPassword
from kai_ansible.terminal.screen import Screen

_REASON_LINES = 3


class NotProbed(CommandError):
    """The host cannot be probed."""


@dataclass
class HostView:
    """Probes a host through Ansible, as rarely as possible.

    enabled: without it every probe returns None. become_password: for sudo on the host, None
    without one. seen: each request for a probe so far, with its result.
    """

    contract: Contract
    inventory: Inventory
    host: str
    password: VaultPassword | None
    screen: Screen
    enabled: bool = True
    become_password: str | None = field(default=None, repr=False)
    seen: list[tuple[ProbeRequest, Probe | None]] = field(default_factory=list)

    def probe(self, configuration: Configuration) -> Probe | None:
        """Return the result of kai_probe for a configuration, None if the host is unreachable.

        An unreachable host is reported once. Raises CommandError for an unsupported system.
        """
        return self.probe_for_each([configuration])

    def probe_for_each(self, configurations: Sequence[Configuration]) -> Probe | None:
        """Return the result of ``probe`` for the agents of several configurations at once.

        configurations: they differ in their backends only.
        """
        # the check has already refused a configuration without these, and a probe requires them
        named = {"service_user", "install_dir"} <= configurations[0].host.keys()
        if not self.enabled or not named:
            return None
        requests = [probe_request(configuration) for configuration in configurations]
        agents = {agent["backend"]: agent for request in requests for agent in request["binaries"]}
        request: ProbeRequest = {
            **requests[0],
            "binaries": list(agents.values()),
            "versions": True,
        }
        for earlier, seen in self.seen:
            if _covers(earlier, request):
                return seen
        with self.screen.waiting(f"Probing {self.host}"):
            seen = self._probe(request)
        self.seen.append((request, seen))
        return seen

    @property
    def was_probed(self) -> bool:
        """Whether this run has probed the host before, so that the operator expects it."""
        return bool(self.seen)

    @property
    def latest(self) -> Probe | None:
        """The result of the last probe, None without one."""
        return next((seen for _, seen in reversed(self.seen) if seen), None)

    def remark_on(self, path: str) -> str:
        """Return the version of an agent's binary and who can change it, as far as known."""
        remarks: dict[str, None] = {}
        for _, seen in self.seen:
            for candidates in seen["binaries"].values() if seen else ():
                for candidate in candidates:
                    if candidate["path"] != path:
                        continue
                    version, changers = candidate.get("version"), candidate.get("changers")
                    if version:
                        remarks[version] = None
                    if changers:
                        remarks[f"can be changed by {in_words(*changers)}"] = None
        return "; ".join(remarks)

    def in_words(self, python: str) -> str:
        """Return a line about the host itself from the last probe, empty without one.

        python: the chosen interpreter, empty for the newest.
        """
        seen = self.latest
        if seen is None:
            return ""
        usable = [entry for entry in seen["interpreters"] if not entry["fault"]]
        found = next((entry for entry in usable if python in ("", entry["path"])), None)
        words = [f"Python {found['version']} ({found['path']})" if found else "no usable Python"]
        if seen["sudo"]["version"]:
            words.append(seen["sudo"]["version"].lower().replace("version ", ""))
        words.append("the bot runs" if seen["service"]["active"] else "no bot runs")
        return f"On {self.host}: {', '.join(words)}."

    def fault_of(self, configuration: Configuration, backend: str, path: str) -> str | None:
        """Return why the accounts of a backend cannot execute a path, None if they can.

        None also if the host cannot be probed. Probes again only for a new path.
        """
        for seen in [*(seen for _, seen in self.seen), None]:
            found = seen or self.probe(configuration)
            for candidate in found["binaries"].get(backend, []) if found else ():
                if candidate["path"] == path:
                    return candidate["fault"]
        return None

    def fetch(self, paths: Sequence[str]) -> dict[str, str]:
        """Return the text of each existing file of the host, by path.

        Without the first file, ignores the others and returns nothing. Raises NotProbed if the host
        cannot be probed, and CommandError if an existing file cannot be read: unreadable is not
        absent.
        """
        with private_directory() as scratch:
            variables = {"kai_fetch_paths": list(paths), "kai_fetch_directory": str(scratch)}
            with self.screen.waiting(f"Reading the deployed files of {self.host}"):
                outcome = self._run(FETCH, variables)
            report = outcome.reports.get(self.host)
            if report is None:
                self.enabled = False
                raise NotProbed(
                    f"Could not reach {self.host}.",
                    problems=[failure.problem for failure in outcome.failures],
                )
            if paths[0] in report["absent"]:
                return {}
            there = [path for path in paths if path not in report["absent"]]
            unreadable = [path for path in there if path not in report["readable"]]
            if unreadable:
                raise usage_error(
                    f"{self.host}: {listed(unreadable)}",
                    "files that cannot be read without privilege",
                    "readable deployed files",
                    "run this through sudo or with --ask-become-pass, or start from an empty "
                    "configuration with --no-probe",
                )
            if not outcome.succeeded:
                raise usage_error(
                    self.host,
                    f"files that could not be read: {_reason(outcome)}",
                    "readable deployed files",
                    "fix that, or start from an empty configuration with --no-probe",
                )
            return {path: _text(Path(f"{scratch}{path}"), path) for path in there}

    def _probe(self, request: ProbeRequest) -> Probe | None:
        outcome = self._run(PROBE, {"kai_probe_request": dict(request)})
        if outcome.succeeded:
            seen = outcome.reports[self.host]
            if seen["platform"] not in self.contract.platforms:
                # the probe reports the system by name, and nothing else
                raise CommandError(
                    "Nothing was changed.", problems=[Problem(**fault) for fault in seen["faults"]]
                )
            return seen
        self.enabled = False
        self.screen.notes(
            [f"Could not reach {self.host}, so host checks were skipped: {_reason(outcome)}"]
        )
        return None

    def _run(self, playbook: Playbook[Report], variables: Mapping[str, Any]) -> Outcome[Report]:
        """Run a playbook that only reads. Raises as ``run_as_root_if_possible`` does."""
        with private_directory() as scratch:
            path = self.inventory.path
            if self.inventory.is_new:
                path = scratch / "hosts.yml"
                write_files({path: LOCALHOST_INVENTORY})
            return run_as_root_if_possible(
                Run(
                    playbook,
                    path,
                    [self.host],
                    variables=variables,
                    vault_password=self.password if not self.inventory.is_new else None,
                    become_password=self.become_password,
                    reading=self.inventory.reading,
                )
            )


def is_missing(account: str, seen: Probe | None) -> bool:
    """Return whether a host is known to lack an account; an account that was not probed is not."""
    accounts = seen["accounts"] if seen else {}
    return account in accounts and accounts[account] is None


def _covers(earlier: ProbeRequest, request: ProbeRequest) -> bool:
    """Return whether an earlier request covers everything that a request asks for."""
    same_otherwise = {**earlier, "binaries": request["binaries"]} == request
    return same_otherwise and all(agent in earlier["binaries"] for agent in request["binaries"])


def _reason(outcome: Outcome[Any]) -> str:
    if not outcome.failures:
        return "no reason given"
    # the first line may only say that the host's answer was unexpected
    return "; ".join(outcome.failures[0].message.splitlines()[:_REASON_LINES])


def _text(path: Path, name: str) -> str:
    try:
        return read_text(path.read_bytes())
    except Unfit as error:
        place = f"{name}{error.place} of the host"
        raise usage_error(place, error.found, error.expected, "fix it there") from error
