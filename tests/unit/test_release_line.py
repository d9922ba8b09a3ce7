"""Of which line of Kai a source tree is; tests/real asks real trees."""

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules.release_line import Found, line_of, problem_of_release, read_lines
from kai_ansible.rules.typed_data import Unfit
from tests.conftest import STAND_IN, VARS

DATA = yaml.safe_load((VARS / "lines" / "lines.yml").read_text(encoding="utf-8"))
LINES = read_lines(DATA)
TWO_ZERO = [
    *("src/kai/__main__.py", "src/kai/config.py", "src/kai/oneshot_binary.py"),
    *("src/kai/opencode.py", "src/kai/backend_registry.py", "src/kai/protected_config.py"),
    "src/kai/pi.py",
]
TWO = [
    *(*TWO_ZERO, "src/kai/workshop/store.py", "src/kai/workshop/runtime_profiles.py"),
    *("src/kai/workshop/storage_namespaces.py", "src/kai/subprocess_identity.py"),
    *("templates/AGENTS.md", "pyproject.toml"),
]
ADAPTERS = {"src/kai/config.py": 'os.environ.get("KAI_ENABLED_ADAPTERS")\n'}
HELPERS = [
    f"src/kai/workshop/{name}.py"
    for name in ("principal_policies", "initial_provisioning", "human_handles")
]
MODE = 'DEPLOYMENT_MODE_ENV = "KAI_SOME_MODE"\n'


@pytest.mark.parametrize(
    ("names", "texts", "found"),
    [
        (TWO_ZERO[:3], {}, Found("1")),
        (TWO_ZERO, {}, Found("2.0")),
        (TWO, ADAPTERS, Found("2")),
        (TWO, {}, Found(None, "Kai 2 of between 11 and 14 August 2026")),
        (TWO[:8], {}, Found(None, "Kai 2 of between 11 and 14 August 2026")),
        (TWO_ZERO[:5], {}, Found(None, "Kai 2.0 of before its release of 11 August 2026")),
        (TWO_ZERO[:4], {}, Found(None, "Kai 1.x of 28 May 2026 or later")),
        (TWO_ZERO[:2], {}, Found(None, "Kai 1.x of 18 May 2026 or earlier")),
        (TWO_ZERO[:1], {}, Found(None, "no src/kai/config.py")),
        ([], {}, Found(None, "no src/kai/__main__.py")),
    ],
)
def test_a_tree_is_of_one_line_or_of_none(
    names: list[str], texts: dict[str, str], found: Found
) -> None:
    assert line_of(LINES, names, texts) == found


def test_what_2_1_adds_is_seen() -> None:
    names = [*TWO, *HELPERS]
    texts = {
        "src/kai/config.py": ADAPTERS["src/kai/config.py"]
        + MODE
        + "CLAUDE_MODELS: dict[str, str] = {\n",
        "pyproject.toml": '[project.optional-dependencies]\ntelegram = ["python-telegram-bot"]\n',
    }
    found = line_of(LINES, names, texts)
    assert found.line == "2"
    assert found.features == {
        *("helpers", "bootstrap", "handles", "claude_models", "deployment_mode", "telegram_extra")
    }
    assert found.mode_variable == "KAI_SOME_MODE"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (MODE, "KAI_SOME_MODE"),
        ("DEPLOYMENT_MODE_ENV: Final[str] = 'KAI_MODE'", "KAI_MODE"),
        ("    DEPLOYMENT_MODE_ENV = 'KAI_MODE'", None),
        ("X_DEPLOYMENT_MODE_ENV = 'KAI_MODE'", None),
        ("DEPLOYMENT_MODE_ENV = PREFIX + 'MODE'", None),
        ("DEPLOYMENT_MODE_ENV = 'kai; rm'", None),
    ],
)
def test_the_variable_of_the_mode_is_read_from_the_source(text: str, name: str | None) -> None:
    texts = {"src/kai/config.py": ADAPTERS["src/kai/config.py"] + text}
    assert line_of(LINES, TWO, texts).mode_variable == name


def test_few_files_have_to_be_read() -> None:
    assert LINES.texts == ("pyproject.toml", "src/kai/config.py")


def test_the_stand_in_is_of_the_line_that_it_stands_in_for() -> None:
    names = [str(path.relative_to(STAND_IN)) for path in STAND_IN.rglob("*") if path.is_file()]
    texts = {name: (STAND_IN / name).read_text(encoding="utf-8") for name in LINES.texts}
    assert line_of(LINES, names, texts) == Found("1")


@given(st.sets(st.sampled_from([*TWO, *HELPERS])), st.booleans())
def test_every_tree_is_told(names: set[str], adapters: bool) -> None:
    found = line_of(LINES, names, ADAPTERS if adapters else {})
    assert (found.line is None) == (found.reason is not None)
    if found.line is not None:
        line = LINES.named(found.line)
        assert line is not None
        assert {sign.file for sign in line.has} <= names


@given(st.sets(st.sampled_from(TWO)), st.booleans(), st.sampled_from(TWO))
def test_more_files_never_make_an_older_line(names: set[str], adapters: bool, more: str) -> None:
    texts = ADAPTERS if adapters else {}
    order = [line.line for line in LINES.lines]
    before, after = (line_of(LINES, found, texts).line for found in (names, {*names, more}))
    if before is not None and after is not None:
        assert order.index(after) <= order.index(before)


@pytest.mark.parametrize("release", ["auto", "1", "2.0", "2"])
def test_a_release_that_the_source_contradicts_is_refused(release: str) -> None:
    for line in ("1", "2.0", "2"):
        problem = problem_of_release(LINES, Found(line), release, "/src/kai")
        if release in ("auto", line):
            assert problem is None
            continue
        assert problem is not None
        assert problem.where == "kai_install_release"
        assert f"the source /src/kai is of line {line}" in problem.found
        asked = LINES.named(release)
        assert asked is not None
        assert asked.title in problem.expected
        assert "set kai_install_release to auto" in problem.fix
        assert asked.ref in problem.fix


def test_a_tree_of_no_line_is_refused_by_name_whatever_was_asked_for() -> None:
    found = Found(None, "Kai 1.x of 28 May 2026 or later")
    for release in ("auto", "1", "9"):
        problem = problem_of_release(LINES, found, release, "https://me:open@git.example/kai")
        assert problem is not None
        assert problem.where == "kai_install_source"
        assert problem.found == "Kai 1.x of 28 May 2026 or later at https://***@git.example/kai"
        # a line that was asked for is the one to get
        for line in LINES.lines if release != "1" else LINES.lines[-1:]:
            assert line.title in problem.expected
        ref = LINES.lines[-1 if release == "1" else 0].ref
        assert problem.fix.startswith(f"set kai_install_version to {ref}")


def test_an_unknown_release_is_refused() -> None:
    problem = problem_of_release(LINES, Found("1"), "3", "/src/kai")
    assert problem is not None
    assert problem.expected == "one of auto, 2, 2.0, 1"


def test_a_key_that_nothing_reads_is_refused() -> None:
    with pytest.raises(Unfit):
        read_lines({**DATA, "more": []})


def test_every_pattern_is_one() -> None:
    for line in LINES.lines:
        for sign in [*line.has, *line.lacks, *line.features.values()]:
            assert sign.pattern is None or re.compile(sign.pattern)
