#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several files of one host, all of them or none."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_files
short_description: Protected files hold what they should, all of them or none
version_added: 0.1.0
description:
  - Writes every file that differs beside its target, checks sudoers drop-ins by visudo within the
    whole policy, and only then renames them into place.
  - What stood there before is kept in O(backup_dir) until the next call, so that a failed start
    can be undone with O(state=restored).
  - Files are created 0600 and given their owner and mode before they take the place of the old.
options:
  state:
    description:
      - V(present) brings the files about; V(restored) brings back what the last call replaced.
    type: str
    choices: [present, restored]
    default: present
  files:
    description: The files.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path; the directory must exist and belong to root.
        type: str
        required: true
      content:
        description: The whole text. Exactly one of O(files[].content) and
          O(files[].secret_content) is given.
        type: str
      secret_content:
        description: The whole text of a file of which a diff may only name the keys.
        type: str
      mode:
        description: Octal mode.
        type: str
        required: true
      sudoers:
        description: Whether the file is a drop-in of sudoers.
        type: bool
        default: false
      given:
        description: Whether the file is meant at all; otherwise it is left as it is.
        type: bool
        default: true
  visudo:
    description: Path of visudo.
    type: path
    default: /usr/sbin/visudo
  backup_dir:
    description: Where replaced files are kept; made 0700 for root.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Checks the drop-in as well; leaves nothing behind.
  diff_mode:
    support: full
    description: Shows secrets by their key only.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: The bot's files are in place
  kai.bot.kai_files:
    backup_dir: /etc/kai/.previous
    files:
      - path: /etc/sudoers.d/kai
        content: "{{ lookup('ansible.builtin.template', 'sudoers.j2') }}"
        mode: "0440"
        sudoers: true

- name: The files are as they were
  kai.bot.kai_files:
    state: restored
    backup_dir: /etc/kai/.previous
"""

RETURN = r"""
changed_paths:
  description: The files that differed.
  returned: always
  type: list
  elements: str
"""

import errno
import json
import os
import shutil
import stat
import subprocess
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.env_file import read_env
from ..module_utils.sudoers import policy_with_candidate

MAIN_POLICY = "/etc/sudoers"
MANIFEST = "manifest.json"


class Refused(Exception):
    """Something that keeps the files from being put in place; nothing was changed."""


def current(path: str) -> tuple[bytes, os.stat_result] | None:
    """Return content and status of a regular file, None when there is nothing.

    Raises Refused for anything else, OSError when it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Refused(f"{path} is a link; remove it on the host") from error
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise Refused(f"{path} is not a regular file; look at it on the host")
    with os.fdopen(descriptor, "rb") as handle:
        return handle.read(), status


def text_of(entry: dict[str, Any]) -> str:
    """Return what a file should hold."""
    text: str = entry["content"] if entry["content"] is not None else entry["secret_content"]
    return text


def differs(entry: dict[str, Any]) -> bool:
    """Return whether content, owner or mode of a file is not what it should be."""
    found = current(entry["path"])
    if found is None:
        return True
    content, status = found
    return (
        content != text_of(entry).encode()
        or stat.S_IMODE(status.st_mode) != int(entry["mode"], 8)
        or (status.st_uid, status.st_gid) != (0, 0)
    )


def write_beside(path: str, content: bytes, mode: int) -> str:
    """Return the path of a new file in the same directory, written through to the disk.

    Its name has a dot in front, which sudo passes over in a directory of drop-ins.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=".kai.", dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fchown(handle.fileno(), 0, 0)
            os.fchmod(handle.fileno(), mode)
            os.fsync(handle.fileno())
    except OSError as error:
        os.unlink(temporary)
        error.filename = path
        raise
    return temporary


def drop_ins(directory: str) -> list[str]:
    """Return the names of the regular files of a directory; sudo passes over everything else."""
    return [name for name in os.listdir(directory) if os.path.isfile(os.path.join(directory, name))]


def check_policy(visudo: str, entry: dict[str, Any]) -> None:
    """Raise Refused when visudo rejects the whole policy with this drop-in in it."""
    directory, name = os.path.split(entry["path"])
    with tempfile.TemporaryDirectory(prefix="kai-sudoers-") as scratch:
        candidate = os.path.join(scratch, name)
        combined = os.path.join(scratch, "policy")
        with open(MAIN_POLICY, encoding="utf-8", errors="surrogateescape") as handle:
            policy = policy_with_candidate(
                handle.read(), directory, drop_ins(directory), name, candidate
            )
        for path, text in ((candidate, text_of(entry)), (combined, policy)):
            with open(path, "w", encoding="utf-8", errors="surrogateescape") as handle:
                handle.write(text)
        verdict = subprocess.run(
            [visudo, "-c", "-f", combined], capture_output=True, text=True, check=False, timeout=60
        )
        if verdict.returncode != 0:
            raise Refused(
                f"visudo rejects the policy with the new {entry['path']}:\n"
                + (verdict.stdout + verdict.stderr).replace(scratch, directory).strip()
            )


def keep(backup_dir: str, paths: list[str]) -> None:
    """Copy what the paths hold now to the backup directory, which holds nothing else after."""
    shutil.rmtree(backup_dir, ignore_errors=True)
    os.mkdir(backup_dir, 0o700)
    manifest = []
    for index, path in enumerate(paths):
        found = current(path)
        manifest.append({"path": path, "kept": None})
        if found is None:
            continue
        content, status = found
        name = str(index)
        descriptor = os.open(
            os.path.join(backup_dir, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600
        )
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
        manifest[-1].update(
            kept=name, mode=stat.S_IMODE(status.st_mode), uid=status.st_uid, gid=status.st_gid
        )
    temporary = os.path.join(backup_dir, MANIFEST + ".new")
    with open(temporary, "w", encoding="utf-8") as handle:
        json.dump(manifest, handle)
    os.rename(temporary, os.path.join(backup_dir, MANIFEST))


def restore(backup_dir: str, dry: bool) -> list[str]:
    """Bring back what was kept, and return the paths; nothing when nothing was kept."""
    try:
        with open(os.path.join(backup_dir, MANIFEST), encoding="utf-8") as handle:
            manifest = json.load(handle)
    except FileNotFoundError:
        return []
    for entry in manifest if not dry else ():
        if entry["kept"] is None:
            if os.path.lexists(entry["path"]):
                os.unlink(entry["path"])
            continue
        with open(os.path.join(backup_dir, entry["kept"]), "rb") as handle:
            temporary = write_beside(entry["path"], handle.read(), entry["mode"])
        os.chown(temporary, entry["uid"], entry["gid"])
        os.chmod(temporary, entry["mode"])
        os.rename(temporary, entry["path"])
    if not dry:
        shutil.rmtree(backup_dir)
    return [entry["path"] for entry in manifest]


def readable(entry: dict[str, Any], text: str, other: str) -> str:
    """Return a text for a diff against ``other``: a secret file by its keys alone."""
    if entry["secret_content"] is None:
        return text
    mine, theirs = read_env(text), read_env(other)
    return "".join(
        f"{key}{'' if theirs.get(key, value) == value else ' (another value)'}\n"
        for key, value in sorted(mine.items())
    )


def comparison(entry: dict[str, Any]) -> dict[str, str]:
    """Return a diff of one file."""
    found = current(entry["path"])
    before = found[0].decode("utf-8", "replace") if found else ""
    header = entry["path"]
    if found:
        header += f" ({found[1].st_uid}:{found[1].st_gid} {stat.S_IMODE(found[1].st_mode):04o})"
    return {
        "before_header": header,
        "after_header": f"{entry['path']} (0:0 {entry['mode']})",
        "before": readable(entry, before, before),
        "after": readable(entry, text_of(entry), before),
    }


def bring_about(module: AnsibleModule) -> dict[str, Any]:
    """Put every file in place that differs, or none of them."""
    changed = [entry for entry in module.params["files"] if entry["given"] and differs(entry)]
    result: dict[str, Any] = {
        "changed": bool(changed),
        "changed_paths": [entry["path"] for entry in changed],
    }
    if module._diff:
        result["diff"] = [comparison(entry) for entry in changed]
    for entry in changed:
        if entry["sudoers"]:
            check_policy(module.params["visudo"], entry)
    if module.check_mode or not changed:
        return result
    staged: list[tuple[str, str]] = []
    backup_dir = module.params["backup_dir"]
    try:
        keep(backup_dir, result["changed_paths"])
        for entry in changed:
            content, mode = text_of(entry).encode(), int(entry["mode"], 8)
            staged.append((write_beside(entry["path"], content, mode), entry["path"]))
        for temporary, path in staged:
            os.rename(temporary, path)
    except OSError:
        left = [entry[0] for entry in staged if os.path.lexists(entry[0])]
        for temporary in left:
            os.unlink(temporary)
        # bringing back writes files, so it is done only where one was replaced
        if len(left) < len(staged):
            restore(backup_dir, dry=False)
        else:
            shutil.rmtree(backup_dir, ignore_errors=True)
        raise
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "restored"], "default": "present"},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "str", "required": True},
                    "content": {"type": "str"},
                    "secret_content": {"type": "str", "no_log": True},
                    "mode": {"type": "str", "required": True},
                    "sudoers": {"type": "bool", "default": False},
                    "given": {"type": "bool", "default": True},
                },
                "mutually_exclusive": [("content", "secret_content")],
                "required_one_of": [("content", "secret_content")],
            },
            "visudo": {"type": "path", "default": "/usr/sbin/visudo"},
            "backup_dir": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        if module.params["state"] == "restored":
            paths = restore(module.params["backup_dir"], module.check_mode)
            module.exit_json(changed=bool(paths), changed_paths=paths)
        module.exit_json(**bring_about(module))
    except Refused as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'a file'}: {error.strerror}")


if __name__ == "__main__":
    main()
