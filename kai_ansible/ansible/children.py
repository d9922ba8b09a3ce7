"""How each process of Ansible starts: the operator's environment and directory, and our additions.

The operator's settings stay; settings here are required, or are set nowhere else.
"""

from __future__ import annotations

import ctypes
import locale
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from kai_ansible.ansible.place import collection_root
from kai_ansible.files import write_files

PLAYBOOK = "kai.yml"
PROGRAM = str(Path(sys.executable).with_name("ansible-playbook"))
_LOCALES = ("C.UTF-8", "en_US.UTF-8")
# no user answers a run; reading.py lets Ansible ask first, and passes on the typed answers
UNASKED = {
    "ANSIBLE_ASK_PASS": "False",
    "ANSIBLE_ASK_VAULT_PASS": "False",
    "ANSIBLE_BECOME_ASK_PASS": "False",
    "ANSIBLE_ENABLE_TASK_DEBUGGER": "False",
}
# what decides which of our tasks run, and how their results and their output are written: these
# are read here and by no user, whatever the operator prefers to see of other playbooks
_READ_HERE = {
    # the role marks its own secrets, and a hidden result would look as if nothing had changed
    "ANSIBLE_NO_LOG": "False",
    "ANSIBLE_RUN_TAGS": "all",
    "ANSIBLE_SKIP_TAGS": "",
    "ANSIBLE_STDOUT_CALLBACK": "default",
    "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
    "ANSIBLE_CALLBACK_FORMAT_PRETTY": "False",
    "ANSIBLE_FORCE_COLOR": "False",
    "ANSIBLE_NOCOLOR": "True",
    "ANSIBLE_DISPLAY_TRACEBACK": "never",
    # a host that the inventory lacks is reported by the command
    "ANSIBLE_HOST_PATTERN_MISMATCH": "warning",
}


_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def end_with(parent: int) -> None:
    """Let this process end when its parent is killed, instead of going on unseen.

    The runner lets Ansible ignore the end of its terminal. Only Linux signals a process when its
    parent has ended; elsewhere it goes on, and the next run names it as the holder of the host
    lock.
    """
    if _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)


def end(process: int) -> list[int]:
    """End a process of Ansible and what it has started, such as scripts of the operator.

    Elsewhere than on Linux only the process itself: no other system lists its children in a file.
    Return the processes that got the signal.
    """
    ended: list[int] = []
    # a process that is not ours to signal is not ours to end
    with suppress(OSError):
        # what is stopped starts no other
        os.kill(process, signal.SIGSTOP)
        ended.append(process)
        for path in Path(f"/proc/{process}/task").glob("*/children"):
            # a thread may have ended, and what is stopped has to go on to end
            with suppress(OSError):
                for child in path.read_text().split():
                    ended += end(int(child))
        os.kill(process, signal.SIGTERM)
        os.kill(process, signal.SIGCONT)
    return ended


def lay_out(directory: Path, playbook: str) -> Path:
    """Write a playbook into a private directory, beside the collection kai.bot; return its path.

    playbook: the text of it.
    """
    links = directory / "collections" / "ansible_collections" / "kai"
    links.mkdir(parents=True)
    (links / "bot").symlink_to(collection_root())
    path = directory / PLAYBOOK
    write_files({path: playbook})
    return path


def environment(directory: Path) -> dict[str, str]:
    """Return the environment of a process of Ansible. directory: a private one, for its files."""
    found = dict(os.environ)
    if _encoding_of("") not in ("utf-8", "utf8"):
        # Ansible starts in no locale that the system lacks, nor in one that is not UTF-8
        found["LC_ALL"] = next(filter(_encoding_of, _LOCALES), _LOCALES[0])
    found.setdefault("ANSIBLE_LOCALHOST_WARNING", "False")
    found.update(
        ANSIBLE_LOCAL_TEMP=str(directory / "tmp"),
        # a host may return any facts, and as variables they outrank the operator's: they could name
        # the program here that copies files, or switch the check of host keys off
        ANSIBLE_INJECT_FACT_VARS="False",
        # a broken inventory would be a run without hosts, which succeeds
        ANSIBLE_INVENTORY_UNPARSED_FAILED="True",
        ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="True",
        # verbose Ansible prints the results of modules, such as a fetched file
        ANSIBLE_VERBOSITY="0",
        ANSIBLE_DEBUG="False",
        **_READ_HERE,
    )
    return found


def _encoding_of(name: str) -> str:
    """Return the encoding of a locale, empty if the system lacks it; without a name, of ours."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, name)
        return (locale.getlocale()[1] or "").lower()
    except (locale.Error, ValueError):
        return ""
    finally:
        locale.setlocale(locale.LC_ALL, before)
