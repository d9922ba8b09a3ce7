"""What is written to host_vars is what Ansible reads, comments and all."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from kai_ansible.inventory.host_vars_files import REMOVED, HostVars, edited_texts
from kai_ansible.inventory.inventory import Inventory, write_host_vars
from kai_ansible.secrets.vault_password import VaultPassword
from tests.read_in_process import variables

PASSWORD = VaultPassword(b"of the tests", None)
HOST = "bot"
NAME = "kai_install_extra_env"
# Ansible keeps no control character, and YAML has no lone surrogate and no byte order mark inside
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff"))
YAML_1_1_WORDS = (
    *("yes", "no", "on", "off", "Y", "null", "~", "", " ", "true", "0123", "0x1f", "0o17", "1e3"),
    *("1_000", "12:30:45", "2026-01-01", ".inf", "NaN", "=", "<<", "- a", "a: b", "a #b", "*a"),
    *("&a", "!a", "%a", "@a", "`a", "[a]", "{a: b}", "'", '"', "\\", "a\nb", "tab\there", "---"),
)
JINJA = ("{{ 1 + 1 }}", "{% if true %}x{% endif %}", "{# gone #}", "{{", "a }} b {{ c", "{{ x }")
VALUES = st.recursive(
    TEXTS | st.integers(-(2**63), 2**63) | st.booleans() | st.sampled_from(YAML_1_1_WORDS + JINJA),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


class Files:
    """The host_vars of one host."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.numbers = itertools.count()
        self.start("")

    def edit(self, *secrets: str, **changes: Any) -> list[Path]:
        """Write changes, the named ones to the vault, and return the files that changed."""
        texts, _ = edited_texts(self.paths, changes, lambda name: name in secrets, PASSWORD)
        return write_host_vars(self.inventory, texts)

    def start(self, settings: str, vault: str = "") -> None:
        """Begin anew with these texts."""
        # Ansible remembers for as long as it lives which files a directory has
        directory = self.directory / str(next(self.numbers))
        directory.mkdir()
        (directory / "hosts.yml").write_text(f"all: {{hosts: {{{HOST}: }}}}\n", encoding="utf-8")
        self.inventory = Inventory(directory)
        self.paths: HostVars = self.inventory.host_vars(HOST)
        self.paths.directory.mkdir(parents=True)
        self.paths.settings.write_text(settings, encoding="utf-8")
        if vault:
            self.paths.vault.write_text(vault, encoding="utf-8")

    @property
    def text(self) -> str:
        return self.paths.settings.read_text(encoding="utf-8")

    def seen_by_ansible(self) -> dict[str, Any]:
        return variables(self.inventory.path, HOST, PASSWORD)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    yield Files(tmp_path_factory.mktemp("inventory"))


@pytest.mark.slow
@given(value=VALUES, in_vault=st.booleans())
@example(value=list(YAML_1_1_WORDS), in_vault=False)
@example(value=list(JINJA), in_vault=False)
@example(
    value={"name": "{{ lookup('pipe', 'id') }}", "nested": [{"{{ a }}": "{{ b }}"}]}, in_vault=True
)
@example(value={"yes": 1, "null": 2, "0123": 3, "": 4, "Y": "Z"}, in_vault=False)
@example(value="2026-01-01\nyes: no", in_vault=True)
def test_any_value_comes_back_identical_through_ansible(
    files: Files, value: Any, in_vault: bool
) -> None:
    files.start("---\n# kept\nkai_install_service_user: kai  # kept too\n")
    secrets = (NAME,) if in_vault else ()
    files.edit(*secrets, **{NAME: value})
    seen = files.seen_by_ansible()
    assert seen == {NAME: value, "kai_install_service_user": "kai"}
    assert repr(seen[NAME]) == repr(value)
    assert "# kept\nkai_install_service_user: kai  # kept too" in files.text
    assert files.edit(*secrets, **{NAME: value}) == []


@pytest.mark.slow
@given(before=VALUES, after=VALUES)
@example(before=["Ada", 1, True], after=["Ada", True, 1])
@example(before={"a": "{{ b }}"}, after={"a": "{{ b }}", "c": "d"})
def test_a_value_is_replaced_whole(files: Files, before: Any, after: Any) -> None:
    files.start("")
    files.edit(**{NAME: before})
    files.edit(**{NAME: after})
    # as JSON, for True equals 1
    assert json.dumps(files.seen_by_ansible()[NAME], sort_keys=True) == json.dumps(
        after, sort_keys=True
    )


@pytest.mark.parametrize("word", ["yes", "0123", "1e3", "2026-01-01", "null", "1_000"])
def test_an_unquoted_word_of_yaml_1_1_is_replaced_by_the_text_that_was_meant(
    files: Files, word: str
) -> None:
    files.start(f"kai_install_users: [{{name: {word}}}]\n")
    files.edit(kai_install_users=[{"name": word}])
    assert files.seen_by_ansible() == {"kai_install_users": [{"name": word}]}


def test_a_change_deep_inside_keeps_every_comment(files: Files) -> None:
    text = (
        "---\n# people\nkai_install_users:\n  # the boss\n  - telegram_id: 1  # hers\n"
        "    name: Ada\n    model: 'opus'  # the best\n  # and Bob\n  - telegram_id: 2\n"
        "    name: Bob\n# the end\n"
    )
    files.start(text)
    ada, bob = files.seen_by_ansible()["kai_install_users"]
    files.edit(kai_install_users=[{**ada, "model": "gpt-5.5"}, bob])
    assert files.text == text.replace("'opus'", '"gpt-5.5"')


def test_what_is_taken_out_is_gone_and_nothing_else_is(files: Files) -> None:
    files.start("# above\nkai_install_codex_bin: /a\nkai_install_webhook_port: 8080  # ours\n")
    files.edit(kai_install_codex_bin=REMOVED, kai_install_claude_bin=REMOVED)
    assert files.seen_by_ansible() == {"kai_install_webhook_port": 8080}
    assert "kai_install_webhook_port: 8080  # ours" in files.text


def test_a_secret_in_both_files_keeps_the_value_that_ansible_takes(files: Files) -> None:
    files.start("kai_install_jina_api_key: in kai.yml\n", "kai_install_jina_api_key: in vault\n")
    before = files.seen_by_ansible()
    files.edit("kai_install_jina_api_key")
    assert files.seen_by_ansible() == before == {"kai_install_jina_api_key": "in vault"}
    assert "jina" not in files.text


def test_an_open_vault_file_is_locked(files: Files) -> None:
    files.start("---\n", "# mine\nkai_install_jina_api_key: abc\n")
    assert files.edit("kai_install_jina_api_key") == [files.paths.vault]
    assert files.paths.vault.read_text(encoding="utf-8").startswith("$ANSIBLE_VAULT;1.1;AES256")
    assert files.seen_by_ansible() == {"kai_install_jina_api_key": "abc"}


def test_what_ansible_evaluates_in_a_file_of_the_operator_stays_as_it_is(files: Files) -> None:
    text = "domain: example.org\nkai_install_telegram_webhook_url: 'https://{{ domain }}/kai'\n"
    files.start(text)
    assert files.seen_by_ansible() == {
        "kai_install_telegram_webhook_url": "https://example.org/kai"
    }
    files.edit(kai_install_webhook_port=8181)
    assert files.text.startswith(text)
    assert yaml.safe_load(files.text)["kai_install_webhook_port"] == 8181


@pytest.mark.parametrize("text", ["---\n", "# only this\n", "a:   [ 2, 4 ]\n\n\nb: {c: d}\n"])
def test_a_file_that_nothing_changes_keeps_its_form(files: Files, text: str) -> None:
    files.start(text)
    assert files.edit() == []
    assert files.text == text


def test_lines_keep_their_ends(files: Files) -> None:
    files.start("# mine\nkai_install_webhook_port: 8080\nb: {c: d}\n")
    files.paths.settings.write_bytes(files.text.replace("\n", "\r\n").encode())
    files.edit(kai_install_webhook_port=8181)
    written = files.paths.settings.read_bytes()
    assert written.startswith(b"# mine\r\nkai_install_webhook_port: 8181\r\nb: {c: d}\r\n")
    assert files.seen_by_ansible()["kai_install_webhook_port"] == 8181


FORMED = """\
# mine
kai_install_webhook_port:   8080   # why
other:   [ 2, 4 ]
kai_install_users:

  - { telegram_id: 1,  name: Ada,   hobby: "a" }   # first
  # between
  - telegram_id:   2
    name:  'Bob'      # second
    hobby:   [ chess,go ]

kai_install_extra_env: {  A: "1" }
last:  ~  # end
"""


def test_every_line_that_says_the_same_stays_as_it_was(files: Files) -> None:
    files.start(FORMED)
    users = [
        {"telegram_id": 1, "name": "Ada", "hobby": "a"},
        {"telegram_id": 2, "name": "Bob", "hobby": ["chess", "go"], "model": "opus"},
    ]
    files.edit(kai_install_users=users, kai_install_webhook_port=8181, kai_install_x="y")
    before, after = FORMED.splitlines(), files.paths.settings.read_text().splitlines()
    assert [line for line in before if line not in after] == [
        "kai_install_webhook_port:   8080   # why"
    ]
    new = [line for line in after if line not in before]
    assert [line.split() for line in new] == [
        ["kai_install_webhook_port:", "8181", "#", "why"],
        ["model:", '"opus"'],
        ["kai_install_x:", '"y"'],
    ]


def test_adding_and_removing_people_leaves_the_lines_of_the_others(files: Files) -> None:
    files.start(FORMED)
    users = [
        {"telegram_id": 2, "name": "Bob", "hobby": ["chess", "go"]},
        {"telegram_id": 3, "name": "Cleo"},
    ]
    files.edit(kai_install_users=users)
    before, after = FORMED.splitlines(), files.paths.settings.read_text().splitlines()
    gone = [line for line in before if line not in after]
    assert gone == ['  - { telegram_id: 1,  name: Ada,   hobby: "a" }   # first']
    assert [line.split() for line in after if line not in before] == [
        ["-", "telegram_id:", "3"],
        ["name:", '"Cleo"'],
    ]
