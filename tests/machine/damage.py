"""Ways in which a file can be damaged, and what the product says of it then."""

import re
import shlex
from typing import Any

from tests.machine.site import Done, Site

# a command that a fix names, up to the words behind it
COMMAND = re.compile(r"((?:mv|rm -r|sed -i) \S+(?: \S+?)?)(?=[,.] |\s*$)")
LATIN = r"printf '# caf\351\n' >>{}"
FIFO = "rm -rf {0} && mkfifo {0}"
NESTED = """python3 -c 'print("["*100000)' >{}"""
DIRECTORY = "rm -rf {0} && mkdir {0}"
HUGE = "truncate -s 100G {}"
TYPES = """sed -i 's/"timeout": [0-9]*/"timeout": "soon"/' {}"""
EMPTY = ": >{}"
CUT = "truncate -s 40 {}"


def damage(site: Site, how: str, *paths: str) -> None:
    for path in paths:
        site.machine.run(["sh", "-c", how.format(path)])


def running(site: Site) -> tuple[Any, str]:
    return site.health()["pid"], site.machine.run(["readlink", "/opt/kai/current"]).stdout


def named(done: Done, *paths: str) -> None:
    assert [path for path in paths if path not in done.text] == [], done.text
    assert "Traceback" not in done.text, done.text
    assert "MODULE FAILURE" not in done.text, done.text


def refused_and_fixed(site: Site, *paths: str) -> None:
    """Expect an install to be refused before it changes anything, and do what it says."""
    before = running(site)
    done = site.run("install")
    assert done.code == 2 or done.code == 1, done.text
    named(done, *paths)
    assert running(site) == before
    fixes = [problem["fix"] for problem in done.document["problems"]]
    for fix in fixes:
        found = COMMAND.search(fix)
        assert found, fix
        site.machine.run(shlex.split(found[1]))
