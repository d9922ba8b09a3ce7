"""A source that names programs in every way git knows runs none of them, and git comes to an end.

What the operator's own configuration says of reaching repositories counts as ever.
"""

import base64
import hashlib
import http.server
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.controller import git_source, source_files, source_limits
from plugins.module_utils.controller.source_packing import Refused, read_source
from tests.conftest import ROOT
from tests.unit.test_kai_source import asked, git
from tests.waiting import until

TREE = ["pyproject.toml", "src/kai/__init__.py", ".gitattributes", "docs/page.md"]
HOOKS = [
    *("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc"),
    *("fsmonitor-watchman", "post-merge", "pre-commit", "post-rewrite", "proc-receive"),
]
# where git's manual says that a value is run, or names another place that says what is; {run} is a
# program that leaves a mark, and {more} a file or directory with more of them
KEYS = {
    **dict.fromkeys(
        [
            *("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.askPass"),
            *("core.gitProxy", "core.alternateRefsCommand", "sequence.editor", "gpg.program"),
            *("gpg.ssh.program", "gpg.x509.program", "gpg.ssh.defaultKeyCommand"),
            *("diff.external", "diff.mark.command", "diff.mark.textconv", "difftool.mark.cmd"),
            *("merge.mark.driver", "mergetool.mark.cmd", "mergetool.mark.path"),
            *("filter.mark.clean", "filter.mark.smudge", "filter.mark.process"),
            *("uploadpack.packObjectsHook", "uploadarchive.command", "interactive.diffFilter"),
            *("remote.origin.uploadpack", "remote.origin.receivepack", "remote.origin.proxy"),
            *("pager.ls-files", "pager.config", "pager.init", "pager.ls-tree", "pager.fetch"),
            *("pager.checkout", "man.mark.cmd", "browser.mark.cmd", "web.browser", "help.browser"),
            *("instaweb.httpd", "guitool.mark.cmd", "imap.tunnel", "trailer.mark.cmd"),
            *("trailer.mark.command", "sendemail.sendmailCmd", "sendemail.smtpServer"),
            *("sendemail.toCmd", "sendemail.ccCmd", "sendemail.headerCmd", "core.fsyncMethod"),
        ],
        "{run}",
    ),
    **dict.fromkeys(
        [
            *("alias.ls-files", "alias.ls-tree", "alias.config", "alias.init", "alias.fetch"),
            *("alias.checkout", "alias.upload-pack", "submodule.sub.update", "credential.helper"),
            *("credential.https://git.example.helper",),
        ],
        "!{run}",
    ),
    **dict.fromkeys(["include.path", "includeIf.gitdir:/**.path"], "{more}/config"),
    "includeIf.onbranch:**.path": "{more}/config",
    "core.hooksPath": "{more}/hooks",
    "init.templateDir": "{more}",
    "core.attributesFile": "{more}/attributes",
    "core.worktree": "{more}",
    "core.excludesFile": "{more}/config",
    "extensions.worktreeConfig": "true",
    "remote.origin.vcs": "ext",
    "protocol.ext.allow": "always",
    "protocol.allow": "always",
    "url.ext::{run} .insteadOf": "file://",
    "url.ext::{run} /.insteadOf": "/",
    "bundle.mark.uri": "ext::{run}",
    "fetch.bundleURI": "ext::{run}",
    "submodule.recurse": "true",
    "fetch.recurseSubmodules": "true",
    "index.sparse": "true",
    "safe.directory": "*",
}


def planted(directory: Path, number: int, text: str, whole: bool = True) -> tuple[str, Path]:
    """Make a program that leaves a mark, and return a value that names it and the marks."""
    marks = directory / "marks"
    marks.mkdir(exist_ok=True)
    run = directory / f"run-{number}"
    run.write_text(f'#!/bin/sh\necho "$0 $*" >>{marks}/{number}\nexit 1\n')
    run.chmod(0o755)
    more = directory / f"more-{number}"
    (more / "hooks").mkdir(parents=True, exist_ok=True)
    for hook in HOOKS:
        shutil.copy(run, more / "hooks" / hook)
    (more / "config").write_text(f'[core]\nfsmonitor = {run}\n[filter "mark"]\nsmudge = {run}\n')
    (more / "attributes").write_text("* filter=mark diff=mark\n")
    return text.replace("{run}", str(run)).replace("{more}", str(more)), marks


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout without docs, whose index holds only the name of that directory."""
    place = tmp_path_factory.mktemp("pristine") / "kai"
    for name in TREE:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("")
    (place / "pyproject.toml").write_text('[project]\nname = "kai"\n')
    (place / ".gitattributes").write_text("* filter=mark diff=mark merge=mark\n")
    git("init", "--quiet", "--template=", cwd=place)
    git("add", ".", cwd=place)
    git("commit", "--quiet", "--message=one", cwd=place)
    git("sparse-checkout", "set", "--cone", "--sparse-index", "src", cwd=place)
    git("worktree", "add", "--quiet", "--detach", str(place.parent / "linked"), cwd=place)
    # so that copies find each other
    for file, other in (
        (place.parent / "linked/.git", "gitdir: ../kai/.git/worktrees/linked\n"),
        (place / ".git/worktrees/linked/gitdir", "../../../../linked/.git\n"),
    ):
        file.write_text(other)
    return place.parent


@pytest.fixture
def place(pristine: Path, tmp_path: Path) -> Path:
    """A copy of the checkout, and of a work tree beside it."""
    shutil.copytree(pristine, tmp_path / "place", symlinks=True)
    return tmp_path / "place" / "kai"


def hollow(checkout: Path) -> None:
    """Take away the tree of a directory that the index leaves out, and say where there is more."""
    tree = subprocess.run(
        ["git", "rev-parse", "HEAD:docs"], cwd=checkout, check=True, capture_output=True, text=True
    ).stdout.strip()
    (checkout / ".git/objects" / tree[:2] / tree[2:]).unlink()
    for key, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
    }.items():
        git("config", key, value, cwd=checkout)


def config(checkout: Path, key: str, value: str) -> None:
    """Set a key of a checkout, also one whose value git would complain of."""
    section, _, name = key.rpartition(".")
    top, dot, rest = section.partition(".")
    head = f'[{top} "{rest}"]' if dot else f"[{top}]"
    with (checkout / ".git/config").open("a") as file:
        file.write(f'{head}\n\t{name} = "{value}"\n')


def read_every_way(checkout: Path) -> None:
    """Read a checkout as each kind of source; what cannot be read is refused."""
    url = f"file://{checkout}"
    linked = checkout.parent / "linked"
    for source in (checkout, checkout / "src", linked, url, f"{url}/.git", f"file://{linked}"):
        try:
            read_source(asked(source))
        except Refused:
            continue


@pytest.mark.sample(30, "the same way with another key; one more test takes all keys at once")
@pytest.mark.slow
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "hollow"])
@pytest.mark.parametrize("number", range(len(KEYS)), ids=list(KEYS))
def test_a_key_of_a_checkout_that_names_a_program_runs_none(
    place: Path, tmp_path: Path, number: int, whole: bool
) -> None:
    key, (value, marks) = list(KEYS)[number], planted(tmp_path, number, KEYS[list(KEYS)[number]])
    key = key.replace("{run}", str(tmp_path / f"run-{number}"))
    if not whole:
        hollow(place)
        git("config", "remote.origin.url", f"ext::{tmp_path}/run-{number}", cwd=place)
        git("config", "protocol.ext.allow", "always", cwd=place)
    config(place, key, value)
    if key == "extensions.worktreeConfig":
        shutil.copy(tmp_path / f"more-{number}/config", place / ".git/config.worktree")
    read_every_way(place)
    assert list(marks.iterdir()) == []


def test_all_keys_hooks_and_attributes_of_a_checkout_at_once_change_nothing(
    place: Path, tmp_path: Path
) -> None:
    plain = read_source(asked(place))
    for number, (key, text) in enumerate(KEYS.items()):
        value, marks = planted(tmp_path, number, text)
        config(place, key.replace("{run}", str(tmp_path / f"run-{number}")), value)
    shutil.copytree(tmp_path / "more-0/hooks", place / ".git/hooks")
    (place / ".git/info").mkdir(exist_ok=True)
    (place / ".git/info/attributes").write_text("* filter=mark diff=mark merge=mark\n")
    # what git reads now is another checkout, or none
    assert read_source(asked(place)) == plain
    read_every_way(place)
    assert list(marks.iterdir()) == []


@pytest.mark.parametrize("named", [".", "", "bin"])
def test_a_relative_directory_of_the_search_path_is_not_that_of_the_source(
    place: Path, tmp_path: Path, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, marks = planted(tmp_path, 0, "{run}")
    for name in ("git", "bin/git"):
        (place / name).parent.mkdir(exist_ok=True)
        shutil.copy(value, place / name)
    monkeypatch.setenv("PATH", f"{named}:{os.environ['PATH']}")
    read_source(asked(place))
    read_source(asked(f"file://{place}"))
    assert list(marks.iterdir()) == []


def test_git_alone_would_run_what_is_planted(place: Path, tmp_path: Path) -> None:
    for number, key in enumerate(("core.fsmonitor", "filter.mark.clean")):
        value, marks = planted(tmp_path, number, "{run}")
        config(place, key, value)
    (place / "pyproject.toml").write_text("edited")
    subprocess.run(["git", "status"], cwd=place, check=False, capture_output=True)
    hollow(place)
    value, marks = planted(tmp_path, 2, "{run}")
    git("config", "remote.origin.url", f"ext::{value}", cwd=place)
    git("config", "protocol.ext.allow", "always", cwd=place)
    subprocess.run(["git", "ls-files"], cwd=place, check=False, capture_output=True)
    assert sorted(mark.name for mark in marks.iterdir()) == ["0", "1", "2"]


def test_a_checkout_that_lacks_a_part_is_refused_and_not_read_without_it(place: Path) -> None:
    hollow(place)
    with pytest.raises(Refused, match=r"git failed: error: .*\n*error: Could not read"):
        read_source(asked(place))


def test_a_link_of_a_directory_leads_nowhere(place: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere/kai").mkdir(parents=True)
    (tmp_path / "elsewhere/kai/__init__.py").write_text("a file of the operator")
    shutil.rmtree(place / "src")
    (place / "src").symlink_to(tmp_path / "elsewhere")
    for more in ([], ["src/kai/__init__.py"], ["src/**/*.py"]):
        with pytest.raises(Refused, match="is a link, a submodule or a device"):
            read_source(asked(place, files=more))


@pytest.mark.parametrize("planted_link", ["src", "src/kai", "src/kai/__init__.py"])
def test_a_link_that_another_account_plants_during_the_reading_leads_nowhere(
    place: Path, tmp_path: Path, planted_link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, link = tmp_path / "own", place / planted_link
    shutil.copytree(place / "src", own / "src")
    (own / "src/kai/__init__.py").write_text("a file of the operator")
    content_of = source_files.content_of

    def plant_first(path: str, *more: Any) -> tuple[bytes, bool]:
        if path.endswith("__init__.py"):
            link.rename(tmp_path / "away")
            link.symlink_to(own / planted_link)
        return content_of(path, *more)

    monkeypatch.setattr(source_files, "content_of", plant_first)
    with pytest.raises(Refused, match=r"__init__\.py is a link, a submodule or a device"):
        read_source(asked(place))
    assert link.is_symlink()


def test_an_index_that_git_did_not_make_leads_nowhere(place: Path, tmp_path: Path) -> None:
    (tmp_path / "kai").mkdir()
    (tmp_path / "place/secret").write_text("a file of the operator")
    index = place / ".git/index"
    git("sparse-checkout", "disable", cwd=place)
    (place / "xx").mkdir()
    (place / "xx/secret").write_text("")
    git("add", "xx/secret", cwd=place)
    crafted = index.read_bytes()[:-20].replace(b"xx/secret", b"../secret")
    assert b"../secret" in crafted
    index.write_bytes(crafted + hashlib.sha1(crafted).digest())
    with pytest.raises(Refused):
        read_source(asked(place))


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_every_form_of_an_index_is_read(form: str, tmp_path: Path) -> None:
    place = tmp_path / "kai"
    (place / "src").mkdir(parents=True)
    (place / "pyproject.toml").write_text("")
    (place / "src/a").write_text("")
    git("init", "--quiet", f"--object-format={form}", cwd=place)
    git("add", ".", cwd=place)
    (place / "untracked").write_text("")
    for change in ("--split-index", "--index-version=4", "--untracked-cache"):
        git("update-index", change, cwd=place)
        assert set(read_source(asked(place))[0]) == {"pyproject.toml", "src/a"}


def test_what_the_environment_says_of_another_repository_counts_for_nothing(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = read_source(asked(place)), read_source(asked(f"file://{place}"))
    value, marks = planted(tmp_path, 0, "{run}")
    trace = tmp_path / "trace"
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_EDITOR", "PAGER"):
        monkeypatch.setenv(name, value)
    for name in ("GIT_TRACE", "GIT_TRACE2_EVENT", "GIT_TRACE_CURL"):
        monkeypatch.setenv(name, str(trace))
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(tmp_path / "more-0"))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.fsmonitor'='false'")
    assert (read_source(asked(place)), read_source(asked(f"file://{place}"))) == plain
    assert list(marks.iterdir()) == []
    assert not trace.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of others")
def test_a_checkout_of_another_account_is_read_but_not_one_that_it_put_above(
    place: Path, tmp_path: Path
) -> None:
    plain = read_source(asked(place))
    subprocess.run(["chown", "-R", "65534", str(place)], check=True)
    assert read_source(asked(place)) == plain
    subprocess.run(["chown", "-R", "0", str(place / "src")], check=True)
    subprocess.run(["chown", "1", str(place / ".git")], check=True)
    (place / "src/pyproject.toml").write_text("")
    with pytest.raises(Refused, match=r"found .*/kai/\.git, which belongs to daemon"):
        read_source(asked(place / "src"))
    # a link to a repository of the operator chooses the files as well
    subprocess.run(["chown", "0", str(place / ".git")], check=True)
    (place / ".git").rename(tmp_path / "repository")
    (place / ".git").symlink_to(tmp_path / "repository")
    with pytest.raises(Refused, match=r"has no pyproject\.toml"):
        read_source(asked(place / "src"))
    os.chown(place / ".git", 1, -1, follow_symlinks=False)
    with pytest.raises(Refused, match=r"found .*/kai/\.git, which belongs to daemon"):
        read_source(asked(place / "src"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of others")
def test_a_url_of_a_repository_of_another_account_is_refused_as_by_git(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    subprocess.run(["chown", "-R", "65534", str(place)], check=True)
    with pytest.raises(Refused, match="dubious ownership") as refused:
        read_source(asked(f"file://{place}"))
    assert f"git config --global --add safe.directory {place}/.git" in str(refused.value)
    (tmp_path / ".gitconfig").write_text("[safe]\n\tdirectory = *\n")
    assert "pyproject.toml" in read_source(asked(f"file://{place}"))[0]


def test_programs_of_filters_never_run_but_line_ends_are_as_in_a_checkout(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, marks = planted(tmp_path, 0, "{run}")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".gitconfig").write_text(
        f'[filter "mark"]\n\tsmudge = {value}\n\trequired = true\n[init]\n\ttemplateDir = '
        f"{tmp_path}/more-0\n[submodule]\n\trecurse = true\n"
    )
    (place / "pyproject.toml").write_text("[project]\n")
    (place / ".gitattributes").write_text("*.toml text eol=crlf\n*.py filter=mark\n")
    commit = ["-c", "filter.mark.smudge=", "-c", "filter.mark.required=false"]
    git(*commit, "commit", "--quiet", "--all", "--message=ends", cwd=place)
    files, _told = read_source(asked(f"file://{place}"))
    assert files["pyproject.toml"][0] == b"[project]\r\n"
    assert "src/kai/__init__.py" in files
    assert list(marks.iterdir()) == []


# ---- how an operator reaches a repository


def a_bare_repository(place: Path) -> Path:
    bare = place.parent / "bare.git"
    git("clone", "--quiet", "--bare", str(place), str(bare), cwd=place)
    return bare


def test_the_operators_ssh_and_addresses_are_used(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = a_bare_repository(place)
    expected = read_source(asked(f"file://{place}"))
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = tmp_path / ".gitconfig"
    settings.write_text(
        f'[core]\n\tsshCommand = {ssh}\n[url "file://{bare}"]\n\tinsteadOf = https://git.example/kai\n'
    )
    for source in (f"ssh://git@git.example{bare}", f"git@git.example:{bare}", f"file://{bare}"):
        assert read_source(asked(source)) == expected
    assert read_source(asked("https://git.example/kai")) == expected
    settings.unlink()
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    assert read_source(asked(f"ssh://git@git.example{bare}")) == expected
    monkeypatch.delenv("GIT_SSH_COMMAND")
    # a CI may have no other way
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.sshCommand")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(ssh))
    assert read_source(asked(f"ssh://git@git.example{bare}")) == expected


class SmartHttp(http.server.BaseHTTPRequestHandler):
    """Git's own server behind a password."""

    root = ""
    password = base64.b64encode(b"me:sesame").decode()

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != f"Basic {self.password}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        done = subprocess.run(
            ["git", "http-backend"],
            input=self.rfile.read(length),
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": self.root,
                "GIT_HTTP_EXPORT_ALL": "1",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(length),
                "HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
            stdout=subprocess.PIPE,
            check=True,
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        self.send_response(200)
        for line in head.decode().splitlines():
            self.send_header(*line.split(": ", 1))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def served(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """Let a server answer meanwhile, and return its URL."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_operators_credential_helper_is_asked_and_nobody_else(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = a_bare_repository(place)
    expected = read_source(asked(f"file://{bare}"))
    monkeypatch.setattr(SmartHttp, "root", str(bare.parent))
    monkeypatch.setenv("HOME", str(tmp_path))
    with served(SmartHttp) as url:
        with pytest.raises(Refused, match="terminal prompts disabled"):
            read_source(asked(f"{url}/bare.git"))
        (tmp_path / ".gitconfig").write_text(
            '[credential]\n\thelper = "!echo username=me; echo password=sesame; :"\n'
        )
        assert read_source(asked(f"{url}/bare.git")) == expected


# ---- bounds


@pytest.fixture
def hanging_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which the operator's ssh, which never ends, writes the numbers of its processes.

    The last one is git's.
    """
    ssh, pids = tmp_path / "ssh", tmp_path / "pids"
    ssh.write_text(
        f"#!/bin/sh\nsleep 600 &\necho $$ $! $PPID >{pids}.new\nmv {pids}.new {pids}\nwait\n"
    )
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    return pids


def assert_ended(pid: int) -> None:
    # a kill takes effect after it was sent
    with suppress(ProcessLookupError):
        assert select.select([os.pidfd_open(pid)], [], [], 30)[0], pid


def test_a_program_of_the_operators_that_never_ends_is_ended_with_what_it_started(
    hanging_ssh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_source, "FETCH_SECONDS", 3)
    with pytest.raises(Refused, match="git fetch did not end within 3 s"):
        read_source(asked("ssh://git.example/kai"))
    for pid in map(int, hanging_ssh.read_text().split()):
        assert_ended(pid)


WORKER = """
import os, signal, sys
from plugins.module_utils.controller.git_source import fetched

for number in (signal.SIGINT, signal.SIGTERM):
    # as a worker of Ansible
    signal.signal(number, lambda _number, _frame: os._exit(1))
with fetched("ssh://git.example/kai", "HEAD", {}):
    pass
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_git_ends_with_a_worker_that_a_signal_ends(
    number: signal.Signals, hanging_ssh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with subprocess.Popen([sys.executable, "-c", WORKER]) as worker:
        try:
            until(hanging_ssh.exists)
            worker.send_signal(number)
            assert worker.wait(30) == 1
            for pid in map(int, hanging_ssh.read_text().split()):
                assert_ended(pid)
        finally:
            worker.kill()


def test_what_holds_the_output_of_git_that_has_ended_is_not_waited_for(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = a_bare_repository(place)
    ssh, pid = tmp_path / "ssh", tmp_path / "pid"
    ssh.write_text(
        f'#!/bin/sh\nsleep 600 >&2 &\necho $! >{pid}\nfor last; do :; done\nexec sh -c "$last"\n'
    )
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    monkeypatch.setattr(git_source, "FETCH_SECONDS", 60)
    try:
        assert "pyproject.toml" in read_source(asked(f"ssh://git.example{bare}"))[0]
        os.kill(int(pid.read_text()), 0)
    finally:
        os.kill(int(pid.read_text()), 9)


@pytest.mark.parametrize("name", ["index", "config", "HEAD", "commondir"])
def test_a_pipe_in_a_checkout_is_not_waited_for(
    place: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_source, "READ_SECONDS", 3)
    (place / ".git" / name).unlink(missing_ok=True)
    os.mkfifo(place / ".git" / name)
    try:
        assert "pyproject.toml" in read_source(asked(place))[0]
    except Refused as error:
        assert name == "index", error


def test_a_server_that_accepts_and_says_nothing_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(git_source, "FETCH_SECONDS", 3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(Refused, match="git fetch did not end within 3 s"):
            read_source(asked(f"http://127.0.0.1:{silent.getsockname()[1]}/kai"))
        monkeypatch.setattr(git_source, "FETCH_SECONDS", 300)
        monkeypatch.setattr(git_source, "SILENT_SECONDS", 1)
        with pytest.raises(Refused, match="git failed: fatal: unable to access"):
            read_source(asked(f"http://127.0.0.1:{silent.getsockname()[1]}/kai"))


def small(monkeypatch: pytest.MonkeyPatch, **limits: int) -> None:
    """Make limits small that tests shall reach."""
    for name, value in limits.items():
        for module in (source_limits, git_source):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)


def bomb(place: Path, levels: int) -> None:
    """Commit a tree that holds ten of the one below it, and so on."""

    def made(kind: list[str], text: str) -> str:
        return subprocess.run(
            ["git", *kind], cwd=place, input=text, capture_output=True, text=True, check=True
        ).stdout.strip()

    blob = made(["hash-object", "-w", "--stdin"], "x" * 100_000)
    entry = f"100644 blob {blob}"
    for _level in range(levels):
        tree = made(["mktree"], "".join(f"{entry}\tname-{number}\n" for number in range(10)))
        entry = f"040000 tree {tree}"
    commit = made(["-c", "user.name=t", "-c", "user.email=t@e", "commit-tree", tree], "")
    git("reset", "--soft", commit, cwd=place)


@pytest.mark.parametrize("levels", [4, 12])
def test_a_repository_that_unpacks_to_more_than_kai_is_refused(
    place: Path, levels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb(place, levels)
    small(monkeypatch, MOST_OUTPUT=100_000)
    with pytest.raises(Refused, match="expected Kai's code alone"):
        read_source(asked(f"file://{place}"))


def test_a_repository_that_sends_more_than_kai_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "large").write_bytes(os.urandom(1 << 20))
    git("add", "large", cwd=place)
    git("commit", "--quiet", "--message=large", cwd=place)
    small(monkeypatch, MOST_ON_DISK=100_000)
    with pytest.raises(Refused, match="expected Kai's code alone"):
        read_source(asked(f"file://{place}"))


Make = Callable[[Path], object]


def a_sparse_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(15 << 40)


def many_files(path: Path) -> None:
    path.mkdir()
    for number in range(200):
        (path / str(number)).touch()


@pytest.mark.parametrize("make", [a_sparse_file, many_files])
def test_a_directory_with_more_than_kai_is_refused(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch, MOST_FILES=100)
    (tmp_path / "pyproject.toml").touch()
    make(tmp_path / "more")
    with pytest.raises(Refused, match="expected Kai's code alone"):
        read_source(asked(tmp_path))
