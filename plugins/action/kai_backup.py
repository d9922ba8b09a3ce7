# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run kai_backup on the host, and fetch, encrypt and write the backup on the controller."""

from __future__ import annotations

import base64
import os
from typing import IO, Any

from ansible.plugins.action import ActionBase

from ..module_utils.controller.decrypted_backup import decrypted
from ..module_utils.controller.host_facts import refusal_of_facts
from ..module_utils.rules.backup_archive import BadArchive, read_archive
from ..module_utils.rules.tar_stream import Digesting

MODULE = "kai.bot.kai_backup"
# a piece is in memory several times; a module run takes as long as some MB
PIECE = 2 << 20


class Failed(Exception):
    """A failed module run with its ``result``."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__(result.get("msg", ""))
        self.result = result


class Pieces:
    """The backup on the host, as a file to read."""

    def __init__(self, fetch: Any, size: int) -> None:
        self._fetch = fetch
        self._left = size
        self._offset = 0
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """Return up to so many bytes, none at the end."""
        if not self._rest and self._left:
            self._rest = self._fetch(self._offset, min(PIECE, self._left))
            self._offset += len(self._rest)
            self._left -= len(self._rest)
        piece = self._rest if size < 0 else self._rest[:size]
        self._rest = self._rest[len(piece) :]
        return piece


class ActionModule(ActionBase):
    """Runs the module for each step, and encrypts the pieces."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module for each step; remove the copy on the host at the end."""
        super().run(tmp, task_vars)
        refused = refusal_of_facts(task_vars)
        if refused:
            return refused
        if self._task.check_mode:
            return {"skipped": True, "msg": "check mode makes no backup"}
        try:
            import pyrage
        except ImportError:
            return {"failed": True, "msg": f"{MODULE} needs pyrage here: pip install pyrage"}
        arguments = dict(self._task.args)
        try:
            recipient = pyrage.x25519.Recipient.from_str(arguments["recipient"])
        except pyrage.RecipientError as error:
            return {"failed": True, "msg": f"recipient: {error}"}

        def ask(state: str, **more: Any) -> dict[str, Any]:
            result: dict[str, Any] = self._execute_module(
                module_name=MODULE,
                module_args={**arguments, "state": state, **more},
                task_vars=task_vars,
            )
            if result.get("failed"):
                raise Failed(result)
            return result

        def fetch(offset: int, length: int) -> bytes:
            answer = ask("read", offset=offset, length=length).get("content")
            try:
                content = base64.b64decode(answer or "", validate=True)
            except (TypeError, ValueError):
                content = b""
            # no host writes more here than there was space for
            if not 0 < len(content) <= length:
                found = f"{len(content)} of at most {length} bytes"
                raise Failed({"failed": True, "msg": f"the host answered {found} of its backup"})
            return content

        try:
            try:
                result = ask("made")
                size, sha256 = result.get("size"), result.get("sha256")
                if not isinstance(size, int) or size < 0:
                    raise Failed({"failed": True, "msg": "the host answered no size of its backup"})
                if size:
                    pieces = Digesting(Pieces(fetch, size))
                    target = Appending(os.path.expanduser(arguments["dest"]), size)
                    with target as handle:
                        pyrage.encrypt_io(pieces, handle, [recipient])
                        if pieces.digest != sha256:
                            raise Failed({"failed": True, "msg": "the backup changed on its way"})
                        if arguments.get("identity_file"):
                            handle.flush()
                            read_back(arguments["identity_file"], target, pieces.digest)
            finally:
                ask("absent")
        except Failed as error:
            return error.result
        except (OSError, BadArchive, pyrage.EncryptError) as error:
            return {"failed": True, "msg": f"{arguments['dest']}: {error}"}
        return result


def read_back(identity_file: str, target: Appending, sha256: str) -> None:
    """Read the written backup. Raises BadArchive when it differs or is none."""
    with open(os.path.expanduser(identity_file), encoding="utf-8") as handle:
        identity = handle.read()
    with decrypted(target.path, identity, target.before) as backup:
        read_archive(backup)
        backup.finish()
        if backup.digest != sha256:
            raise BadArchive("the written backup differs from the one on the host")


class Appending:
    """A private file to append to; when that fails, its former length is restored."""

    def __init__(self, path: str, size: int) -> None:
        """Prepare. size: how many bytes will be appended."""
        self.path = path
        self.size = size

    def __enter__(self) -> IO[bytes]:
        self.new = not os.path.lexists(self.path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        self.handle = os.fdopen(os.open(self.path, flags, 0o600), "ab")
        self.before = os.fstat(self.handle.fileno()).st_size
        status = os.fstatvfs(self.handle.fileno())
        if status.f_bavail * status.f_frsize < self.size:
            self.__exit__(OSError)
            raise OSError(
                f"there is no space for {self.size >> 20} MB; df -h shows how much is free"
            )
        return self.handle

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.handle.flush()
            os.fsync(self.handle.fileno())
        self.handle.close()
        if kind and self.new:
            os.unlink(self.path)
        elif kind:
            os.truncate(self.path, self.before)
