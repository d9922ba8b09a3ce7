#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probe a host once, before anything is decided."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_probe
short_description: Probe a host once, before anything is decided
version_added: 0.1.0
description:
  - Returns everything that the role, the wizard and the status command need to know about a host.
  - Changes nothing on the host, except the lock that O(exclusive) takes.
  - Reports facts that it cannot read without privilege as unseen, and does not guess.
  - On a system other than Linux with systemd, reports that fault alone, and takes no lock.
options:
  service_user:
    description: The account that runs the bot.
    type: str
    required: true
  os_users:
    description: The OS users that agents run as.
    type: list
    elements: str
    default: []
  install_dir:
    description: The directory of the releases.
    type: path
    required: true
  data_dir:
    description: The data directory of the bot; root alone must be able to change those above it.
    type: path
  wheelhouse:
    description: A directory of packages; root alone must be able to change it and its files.
    type: path
  index:
    description: A package index on the host; root alone must be able to change it and its files.
    type: path
  python:
    description: An interpreter to check besides those in the usual places.
    type: str
    default: ""
  directories:
    description: Directories to check for existence.
    type: list
    elements: path
    default: []
  access:
    description: Directories that accounts must be able to enter.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The directory.
        type: str
        required: true
      account:
        description: The account. One that does not exist yet counts as the account nobody.
        type: str
        required: true
      write:
        description: Whether the account must be able to write there as well.
        type: bool
        default: false
  targets:
    description: Places where files will be written; they need not exist yet.
    type: list
    elements: path
    default: []
  files:
    description: Files that root will write, so nothing but a regular file may be there.
    type: list
    elements: path
    default: []
  texts:
    description: Files without secrets whose text is returned.
    type: list
    elements: path
    default: []
  workshop:
    description:
      - The database of a bot with a workshop, read as the service user and never written.
      - The ids in it replace the marks of users in the paths of O(installed).
    type: dict
    suboptions:
      database:
        description: Path of the database.
        type: path
        required: true
      workshop:
        description: The query for the id of the workshop.
        type: str
        required: true
      assigned:
        description: The query for the runtime profiles that are assigned.
        type: str
        required: true
      owners:
        description: The query for the user of each of these, as profile, principal and channel.
        type: str
        required: true
      archived:
        description: The query for the channels that are in use no more.
        type: str
        required: true
  release:
    description:
      - The release to install. When it is not built, the size of the live one is measured.
    type: str
    default: ""
  port:
    description: The TCP port of the bot.
    type: int
  addresses:
    description: IPv4 addresses of the host on which the bot listens.
    type: list
    elements: str
    default: []
  programs:
    description: Names of programs to find in the bot's PATH.
    type: list
    elements: str
    default: []
  models:
    description: Large files that the bot must be able to read.
    type: list
    elements: path
    default: []
  identities:
    description: Files in homes that another release line has under another name.
    type: list
    elements: dict
    default: []
    suboptions:
      home:
        description: The home.
        type: path
        required: true
      files:
        description: The files, by their path in it.
        type: list
        elements: str
        required: true
      template:
        description: The file of the live release that the first one was made from.
        type: str
        required: true
  exclusive:
    description:
      - Whether a run that changes the host begins here, and takes the lock of the host.
      - The lock is the file C(/run/kai-ansible.lock), which holds a record of the run. It is taken
        before the other probes, so that what they find stays as it is.
      - A lock that another run holds is reported in C(lock), and stays. A lock whose run has ended
        is taken over. In check mode no lock is taken.
      - Waits for a module that a killed run left at work, which holds C(/run/kai-ansible.work).
      - To release the lock, empty the file. A killed run need not.
    type: bool
    default: false
  run:
    description: The run that takes the lock. The action plugin sets it.
    type: dict
  controller:
    description: Boot and PID namespace of the controller. The action plugin sets it.
    type: list
    elements: str
    default: []
  ended_run:
    description: A run that holds the lock and has ended. The action plugin sets it.
    type: dict
  turns:
    description: The directory in which the bot keeps a file for each user whom it is answering.
    type: path
  env_file:
    description: The bot's environment file.
    type: path
    required: true
  sudoers_file:
    description: The bot's sudoers drop-in.
    type: path
    required: true
  platforms:
    description: The facts of the contract that differ between operating systems.
    type: dict
    required: true
  binaries:
    description: The binaries of agents to find.
    type: list
    elements: dict
    default: []
    suboptions:
      backend:
        description: The backend that the binary belongs to.
        type: str
        required: true
      name:
        description: The name of the binary.
        type: str
        required: true
      env_key:
        description: The key of the environment file that names its path, empty without one.
        type: str
        default: ""
      wanted:
        description: The path in host_vars, empty without one.
        type: str
        default: ""
      usual_places:
        description: The usual paths of the binary, per operating system.
        type: dict
        required: true
      accounts:
        description: The accounts that run it.
        type: list
        elements: str
        required: true
      resolvers:
        description: Accounts that must be able to execute it as well, without running it.
        type: list
        elements: str
        default: []
      login_files:
        description: The files that keep a login, relative to the account's home.
        type: list
        elements: str
        default: []
      login_check:
        description: The arguments with which its exit code reports whether its account is logged
          in, 0 for yes and 1 for no.
        type: list
        elements: str
        default: []
  deployed_logins:
    description:
      - The agents whose logins are checked for O(service_user) and for each account that the
        deployed drop-in lets run them, also where O(binaries) does not have them.
    type: list
    elements: dict
    default: []
    suboptions:
      backend:
        description: The backend of the agent.
        type: str
        required: true
      name:
        description: The name of its binary.
        type: str
        required: true
      login_files:
        description: The files that keep a login, relative to the account's home.
        type: list
        elements: str
        required: true
  versions:
    description:
      - Whether to start the best candidate of each binary, as the accounts that run it and with
        their environment, to get its version. Of the accounts that the deployed drop-in lets run
        it, one starts it.
    type: bool
    default: false
  trust_user_binaries:
    description:
      - Whether to start agents that an account could change to act as another account.
      - Without it they are not started, and their versions and logins are unknown.
    type: bool
    default: false
  ask_logins:
    description:
      - Whether to run each agent's program, as each account that runs it, to check its login.
        Without it the files of a login decide.
    type: bool
    default: false
  installed:
    description: Probes the installation as well, how it runs, and the state of its files.
    type: dict
    suboptions:
      unit:
        description: Name of the systemd unit without its suffix.
        type: str
        required: true
      host:
        description: Address on which the bot answers.
        type: str
        required: true
      health_path:
        description: Path of the health route.
        type: str
        required: true
      port_key:
        description: The key of the environment file that gives the bot its port.
        type: str
        required: true
      default_port:
        description: The port without that key.
        type: int
        required: true
      data_dir:
        description: The data directory, beside which a restore may have left former data.
        type: path
      patience:
        description: After how many seconds without an answer the bot counts as hanging.
        type: int
        default: 120
      settings:
        description: The keys of the bot, and whether the value of each may be shown. A drop-in or
          the environment of the process may set them.
        type: dict
        default: {}
      files:
        description: The files of the installation.
        type: list
        elements: dict
        required: true
        suboptions:
          path:
            description: Absolute path.
            type: str
            required: true
          content:
            description: The part of its content to return. The keys with keyed digests of their
              values for V(env), the text for V(shown), a keyed digest alone for V(sealed).
            type: str
            choices: [env, shown, sealed]
            required: true
      directories:
        description:
          - As O(kai.bot.kai_user_tree#module:directories) of M(kai.bot.kai_user_tree).
          - V({service_home}) is the home of O(service_user).
        type: list
        elements: dict
        required: true
      seeds:
        description:
          - As O(kai.bot.kai_user_tree#module:seeds) of M(kai.bot.kai_user_tree).
          - V({service_home}) is the home of O(service_user).
        type: list
        elements: dict
        required: true
      free_space:
        description: Paths whose file systems need free space.
        type: list
        elements: path
        required: true
attributes:
  check_mode:
    support: full
    description: Changes nothing but the lock, which is not taken in check mode.
  diff_mode:
    support: none
    description: There is nothing to compare.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: Probe the host
  kai.bot.kai_probe:
    service_user: kai
    os_users: [alice]
    install_dir: /opt/kai
    env_file: /etc/kai/env
    sudoers_file: /etc/sudoers.d/kai
    platforms: "{{ contract.platforms }}"
    binaries:
      - backend: codex
        name: codex
        env_key: CODEX_BIN
        usual_places:
          linux: [/usr/local/bin/codex]
        accounts: [alice]
        login_files: [.codex/auth.json]
  register: probe
"""

RETURN = r"""
probe:
  description: The results of the probes.
  returned: always
  type: dict
  contains:
    platform:
      description: The platform in the contract, empty for a system that is not supported.
      type: str
      sample: linux
    system:
      description: Name and kernel of the operating system, and the version of Ansible's Python.
      type: dict
    is_controller:
      description: Whether the host is the machine that runs Ansible.
      type: bool
    privileged:
      description: Whether the module ran as root.
      type: bool
    accounts:
      description: UID, GID and home of each account asked for, and the kind of the home; null where
        there is no account.
      type: dict
    service_home:
      description: The service user's home, or where it will be.
      type: str
    tools:
      description: Paths of cat, tee, kill and visudo.
      type: dict
    interpreters:
      description:
        - Python interpreters with path, version and fault, newest first. One without a fault can
          create a virtual environment that the service user can run.
      type: list
      elements: dict
    binaries:
      description: Per backend, candidates with path, source, fault and perhaps version, best first.
        One without a fault has changers, which names the accounts besides root that can change it,
        and the path; unseen is why that cannot be seen. Null without privilege to see it. With
        O(versions), one that was started has starts, how it started as each account.
      type: dict
    logins:
      description: Per account and backend, whether the account is logged in; null where unseen.
      type: list
      elements: dict
    env_keys:
      description: Keys of the last verified environment file; none if it cannot be read.
      type: list
      elements: str
    directories:
      description: Per directory asked for, its kind.
      type: dict
    access:
      description: Per directory and account asked for, the fault and the place of it.
      type: list
      elements: dict
    targets:
      description: Per target, the nearest existing path, its device and its free space.
      type: dict
    release:
      description: The live release, the complete ones, and the size of the live one when measured.
        The release V(flat) is the one of Kai's own installer.
      type: dict
    former_install:
      description: The installation of Kai's own installer while it is live, null otherwise. The
        paths beside its files, the drop-ins with rules for the service user, and each statement of
        its own drop-in with the number of its line.
      type: dict
    port:
      description: The processes that listen on the port and are not of the unit, in words.
      type: list
      elements: str
    foreign_addresses:
      description: Those of C(addresses) that no interface of the host has.
      type: list
      elements: str
    programs:
      description: Path of each program asked for, null without one.
      type: dict
    models:
      description: Per large file asked for, readable, unreadable, absent or unseen.
      type: dict
    identities:
      description: Per home of O(identities) that exists, the kind and SHA-256 of its C(files), and
        the SHA-256 of the C(template).
      type: dict
    sudo:
      description: Version of sudo, and the flags of Defaults for the service user.
      type: dict
    file_sizes:
      description: Size in bytes of each file asked for that exists.
      type: dict
    texts:
      description: The text of each file of O(texts), null where there is none.
      type: dict
    workshop:
      description: The workshop, the assigned profiles, their owners, and why they are unknown.
      type: dict
    sudoers_sha256:
      description: Digest of the deployed drop-in, empty without one.
      type: str
    manager_version:
      description: Version of systemd, null when unknown.
      type: int
    lock:
      description:
        - The path of the lock, the user of this run, whether it took the lock, the run that holds
          it instead, and the problems that stop this run.
      type: dict
    service:
      description: Whether the unit is active and enabled, its process, and how many users it is
        answering.
      type: dict
    damaged:
      description: Each damaged record of the installs. problem is the fault, number the install of
        the record, null without one, and needed whether an install needs it.
      type: list
      elements: dict
    installed:
      description: The installation and how it runs. Only with O(installed).
      type: dict
    places:
      description: Places where root would work and that other accounts can change. Nothing there
        was read or run.
      type: list
      elements: dict
    live_python:
      description: Path and changers of the Python of the live release. Only with O(installed).
      type: dict
    faults:
      description: Faults that keep any installation from working on this host.
      type: list
      elements: dict
"""

import hashlib
from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host import system
from ..module_utils.host.look import agent_starts, agents, releases, service, storage
from ..module_utils.host.look.former_install import probe_former_install
from ..module_utils.host.look.host import Host
from ..module_utils.host.look.identities import probe_identities
from ..module_utils.host.look.lock import probe_lock
from ..module_utils.host.look.python import probe_interpreters, probe_live_python
from ..module_utils.host.look.sudo import probe_sudo
from ..module_utils.host.system import boot_and_namespace
from ..module_utils.rules.documents import encodable, legible
from ..module_utils.rules.env_file import read_env
from ..module_utils.rules.option_specs import entries
from ..module_utils.rules.problems import problem_of_error
from ..module_utils.rules.unit import service_of

if TYPE_CHECKING:
    from ..module_utils.rules.probe import About, AnyProbe


def probe(host: Host) -> AnyProbe:
    """Return everything that the probes find on a supported host."""
    # first the lock, so that the found state does not change
    lock = probe_lock(host)
    # then the places that root must not even read, as other accounts can change them
    host.places = host.loose_places()
    env = read_env(legible(host.deployed(host.parameters["env_file"]) or b""))
    drop_in = host.deployed(host.parameters["sudoers_file"])
    rules = None if drop_in is None else legible(drop_in)
    unit = host.deployed(host.facts["unit"]["path"])
    unit_path = service_of(legible(unit or b""))[1].get("PATH", "").split(":")
    binaries = {
        request["backend"]: agents.candidates(host, request, env, rules or "", unit_path)
        for request in host.parameters["binaries"]
    }
    # agents take long to print their versions, so they do it during the other probes
    trials = agent_starts.begin_starts(host, binaries, rules or "")
    state = service.probe_state(host)
    workshop = storage.probe_workshop(host)
    release = releases.probe_release(host)
    damaged = releases.probe_damaged(host)
    # an installed release has its own Python
    may_build = host.parameters["installed"] is None or release["missing"]
    found: AnyProbe = {
        "lock": lock,
        "platform": host.system,
        **about_host(host),
        "tools": service.probe_tools(host),
        "interpreters": probe_interpreters(host) if may_build else [],
        "directories": storage.kinds_of(host.parameters["directories"]),
        "access": storage.probe_access(host),
        "targets": storage.probe_targets(host),
        "release": release,
        "places": [problem.as_dict() for problem in host.places],
        "live_python": probe_live_python(host, release),
        "service": service.probe_service(host, state),
        "manager_version": service.probe_manager_version(host),
        "port": service.probe_port(host, state, env, release["live"]),
        "foreign_addresses": service.probe_addresses(host),
        "programs": service.probe_programs(host),
        "models": storage.probe_models(host),
        "identities": probe_identities(host, release["live"]),
        "sudo": probe_sudo(host),
        "env_keys": sorted(releases.verified_env(host, env)),
        "sudoers_sha256": "" if drop_in is None else hashlib.sha256(drop_in).hexdigest(),
        "binaries": binaries,
        "logins": agents.probe_logins(host, binaries, rules or ""),
        "damaged": damaged,
        "installed": releases.probe_installed(host, damaged, state, workshop),
        "former_install": probe_former_install(host, release, rules),
        "file_sizes": storage.probe_file_sizes(host),
        "texts": storage.probe_texts(host),
        "workshop": workshop,
        # complete when every other part is known
        "faults": [],
    }
    agent_starts.finish_starts(host, trials)
    found["faults"] = [fault.as_dict() for fault in dict.fromkeys(host.faults)]
    return found


def refuse(host: Host) -> AnyProbe:
    """Return the answer of a host whose system is not supported: that fault, and nothing else."""
    problem = system.unsupported_system()
    return {
        "lock": {"path": "", "by": "", "taken": False, "held_by": None, "problems": []},
        "platform": "",
        **about_host(host),
        "tools": {},
        "directories": {},
        "targets": {},
        "programs": {},
        "models": {},
        "identities": {},
        "binaries": {},
        "file_sizes": {},
        "texts": {},
        "workshop": None,
        "interpreters": [],
        "access": [],
        "places": [],
        "port": [],
        "foreign_addresses": [],
        "env_keys": [],
        "logins": [],
        "damaged": [],
        "live_python": None,
        "manager_version": None,
        "former_install": None,
        "release": {
            "live": None,
            "complete": [],
            "missing": False,
            "size": None,
            "has_models": True,
        },
        "service": {"active": False, "enabled": False, "pid": 0, "turns": 0},
        "sudo": {"version": "", "flags": [], "host": "", "seconds": 0},
        "sudoers_sha256": "",
        "installed": releases.installed_unseen(host, problem),
        "faults": [problem.as_dict()],
    }


def about_host(host: Host) -> About:
    """Return the facts that a probe reports on any system."""
    controller = host.parameters["controller"]
    return {
        "system": system.system_facts(),
        "is_controller": bool(controller) and controller == list(boot_and_namespace()),
        "privileged": host.privileged,
        "accounts": storage.accounts_seen(host),
        "service_home": host.service_home,
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "service_user": {"type": "str", "required": True},
            "os_users": {"type": "list", "elements": "str", "default": []},
            "install_dir": {"type": "path", "required": True},
            "data_dir": {"type": "path"},
            "wheelhouse": {"type": "path"},
            "index": {"type": "path"},
            "python": {"type": "str", "default": ""},
            "directories": {"type": "list", "elements": "path", "default": []},
            "access": entries(
                path={"type": "str", "required": True},
                account={"type": "str", "required": True},
                write={"type": "bool", "default": False},
            ),
            "targets": {"type": "list", "elements": "path", "default": []},
            "files": {"type": "list", "elements": "path", "default": []},
            "texts": {"type": "list", "elements": "path", "default": []},
            "workshop": {
                "type": "dict",
                "options": {
                    "database": {"type": "path", "required": True},
                    "workshop": {"type": "str", "required": True},
                    "assigned": {"type": "str", "required": True},
                    "owners": {"type": "str", "required": True},
                    "archived": {"type": "str", "required": True},
                },
            },
            "release": {"type": "str", "default": ""},
            "port": {"type": "int"},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "programs": {"type": "list", "elements": "str", "default": []},
            "models": {"type": "list", "elements": "path", "default": []},
            "identities": entries(
                home={"type": "path", "required": True},
                files={"type": "list", "elements": "str", "required": True},
                template={"type": "str", "required": True},
            ),
            "versions": {"type": "bool", "default": False},
            "trust_user_binaries": {"type": "bool", "default": False},
            "ask_logins": {"type": "bool", "default": False},
            "exclusive": {"type": "bool", "default": False},
            "run": {"type": "dict"},
            "controller": {"type": "list", "elements": "str", "default": []},
            "ended_run": {"type": "dict"},
            "installed": {
                "type": "dict",
                "options": {
                    "unit": {"type": "str", "required": True},
                    "host": {"type": "str", "required": True},
                    "health_path": {"type": "str", "required": True},
                    "port_key": {"type": "str", "required": True, "no_log": False},
                    "default_port": {"type": "int", "required": True},
                    "patience": {"type": "int", "default": 120},
                    "settings": {"type": "dict", "default": {}},
                    "data_dir": {"type": "path"},
                    "files": {
                        "type": "list",
                        "elements": "dict",
                        "required": True,
                        "options": {
                            "path": {"type": "str", "required": True},
                            "content": {
                                "type": "str",
                                "choices": ["env", "shown", "sealed"],
                                "required": True,
                            },
                        },
                    },
                    "directories": {"type": "list", "elements": "dict", "required": True},
                    "seeds": {"type": "list", "elements": "dict", "required": True},
                    "free_space": {"type": "list", "elements": "path", "required": True},
                },
            },
            "deployed_logins": entries(
                backend={"type": "str", "required": True},
                name={"type": "str", "required": True},
                login_files={"type": "list", "elements": "str", "required": True},
            ),
            "turns": {"type": "path"},
            "env_file": {"type": "path", "required": True},
            "sudoers_file": {"type": "path", "required": True},
            "platforms": {"type": "dict", "required": True},
            "binaries": entries(
                backend={"type": "str", "required": True},
                name={"type": "str", "required": True},
                env_key={"type": "str", "default": "", "no_log": False},
                wanted={"type": "str", "default": ""},
                usual_places={"type": "dict", "required": True},
                accounts={"type": "list", "elements": "str", "required": True},
                resolvers={"type": "list", "elements": "str", "default": []},
                login_files={"type": "list", "elements": "str", "default": []},
                login_check={"type": "list", "elements": "str", "default": []},
            ),
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.params["run"] = None
    try:
        host = Host(module.params)
        found = probe(host) if host.system else refuse(host)
    except OSError as error:
        module.fail_json(msg=str(problem_of_error(error, "a file")))
    # file names may be any bytes, and Ansible refuses text that is not UTF-8
    module.exit_json(changed=False, probe=encodable(found))


if __name__ == "__main__":
    main()
