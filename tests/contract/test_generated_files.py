"""The generated files: up to date, noticed when stale, and usable by Ansible."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from kai_ansible.controller.contracts import contract_of_line
from kai_ansible.rules.configuration import read_configuration

ROOT = Path(__file__).parents[2]
VARS = "roles/kai_install/vars"
CONTRACT = f"{VARS}/kai_1.yml"
VARIABLES = f"{VARS}/lines/variables.yml"
LINES = ("1", "2.0", "2")
ARGUMENT_SPECS = "roles/kai_install/meta/argument_specs.yml"
SETTINGS_PAGE = "docs/settings.md"
ANSWERS_SCHEMA = "docs/answers.schema.json"
REFRESH = "run: make generate"


def generate(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.generate", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the contracts and of what is generated from them."""
    shutil.copytree(ROOT / VARS, tmp_path / VARS)
    for name in (ARGUMENT_SPECS, SETTINGS_PAGE, ANSWERS_SCHEMA):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture(scope="module")
def options() -> dict[str, Any]:
    specs = yaml.safe_load((ROOT / ARGUMENT_SPECS).read_text(encoding="utf-8"))
    loaded: dict[str, Any] = specs["argument_specs"]["main"]["options"]
    return loaded


def test_the_generated_files_are_up_to_date() -> None:
    result = generate("--check")
    assert result.returncode == 0, result.stderr


def replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert text.count(old) == 1
        return text.replace(old, new)

    return change


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        pytest.param(
            replaced("default: 8080", "default: 8081"),
            [ARGUMENT_SPECS, SETTINGS_PAGE, ANSWERS_SCHEMA],
            id="default",
        ),
        pytest.param(
            replaced("old_names: [CLAUDE_MODEL]", "old_names: [MODEL]"),
            [VARIABLES, ARGUMENT_SPECS, SETTINGS_PAGE, ANSWERS_SCHEMA],
            id="old name",
        ),
        pytest.param(
            replaced("    required: {global_backend: goose}\n", ""),
            [ARGUMENT_SPECS, SETTINGS_PAGE],
            id="condition",
        ),
        pytest.param(
            replaced("  GITHUB_REPO:", "  GITHUB_REPOSITORY:"),
            [ARGUMENT_SPECS, SETTINGS_PAGE, ANSWERS_SCHEMA],
            id="env key",
        ),
        pytest.param(
            replaced("    minimum: 50000\n", "    minimum: 40000\n"),
            [ARGUMENT_SPECS, SETTINGS_PAGE, ANSWERS_SCHEMA],
            id="user field",
        ),
        pytest.param(
            replaced("default: gemini-3-flash", "default: gemini-3.1-pro"),
            [SETTINGS_PAGE],
            id="model",
        ),
    ],
)
def test_a_change_of_the_contract_makes_files_stale(
    tree: Path, change: Callable[[str], str], stale: list[str]
) -> None:
    contract = tree / CONTRACT
    contract.write_text(change(contract.read_text(encoding="utf-8")), encoding="utf-8")
    before = (tree / SETTINGS_PAGE).read_text(encoding="utf-8")

    checked = generate("--check", "--root", tree)
    assert checked.returncode == 1
    assert checked.stderr.splitlines() == [f"{tree / name} is stale; {REFRESH}" for name in stale]
    assert (tree / SETTINGS_PAGE).read_text(encoding="utf-8") == before

    assert generate("--root", tree).returncode == 0
    assert generate("--check", "--root", tree).returncode == 0


def test_a_change_of_a_later_line_makes_files_stale(tree: Path) -> None:
    contract = tree / VARS / "lines" / "2.yml"
    change = replaced("      default: 3600\n", "      default: 3601\n")
    contract.write_text(change(contract.read_text(encoding="utf-8")), encoding="utf-8")
    result = generate("--check", "--root", tree)
    stale = [ARGUMENT_SPECS, SETTINGS_PAGE, ANSWERS_SCHEMA]
    assert result.stderr.splitlines() == [f"{tree / name} is stale; {REFRESH}" for name in stale]


def test_an_edited_file_is_stale(tree: Path) -> None:
    page = tree / SETTINGS_PAGE
    page.write_text(page.read_text(encoding="utf-8") + "An afterthought.\n", encoding="utf-8")
    result = generate("--check", "--root", tree)
    assert result.returncode == 1
    assert result.stderr == f"{page} is stale; {REFRESH}\n"


def test_a_missing_file_is_stale(tree: Path) -> None:
    (tree / ANSWERS_SCHEMA).unlink()
    result = generate("--check", "--root", tree)
    assert result.returncode == 1
    assert ANSWERS_SCHEMA in result.stderr
    assert not (tree / ANSWERS_SCHEMA).exists()


def test_a_missing_contract_is_reported(tmp_path: Path) -> None:
    result = generate("--check", "--root", tmp_path)
    assert result.returncode == 2
    assert "cannot read the contract" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", [ARGUMENT_SPECS, SETTINGS_PAGE])
def test_the_first_line_names_the_command(name: str) -> None:
    first = (ROOT / name).read_text(encoding="utf-8").partition("\n")[0]
    assert "make generate" in first


def faults(options: dict[str, Any], **values: Any) -> list[str]:
    """Return what Ansible says to variables, given by their names without kai_install_."""
    given = {f"kai_install_{name}": value for name, value in values.items()}
    result = ArgumentSpecValidator(options).validate(given)
    return list(result.error_messages)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"release": 1}, id="release as a number"),
        pytest.param({"webhook_port": "8080", "budget_ceiling": "7.5"}, id="numbers as text"),
        pytest.param({"voice_enabled": "yes"}, id="boolean as text"),
        pytest.param({"agent_backend": "Codex"}, id="choice in other case"),
        pytest.param({"default_model": 5.4}, id="text that YAML reads as a number"),
        pytest.param({"allowed_workspaces": "/a,/b"}, id="directories as text"),
        pytest.param({"allowed_workspaces": ["/a", "/b"]}, id="directories as a list"),
        pytest.param({"users": [{"telegram_id": 1, "name": "a", "new": 2}]}, id="unknown field"),
        pytest.param({"extra_env": {"NEW_KEY": 1}}, id="unknown key"),
    ],
)
def test_ansible_accepts(options: dict[str, Any], values: dict[str, Any]) -> None:
    assert faults(options, **values) == []


@pytest.mark.parametrize(
    "values",
    [{"webhook_port": "http"}, {"voice_enabled": "perhaps"}, {"users": ["admin"]}],
)
def test_ansible_refuses_another_type(options: dict[str, Any], values: dict[str, Any]) -> None:
    assert len(faults(options, **values)) == 1


def test_secrets_are_not_logged(options: dict[str, Any]) -> None:
    """Kai 1.x installer facts, section 2.2, and the keys of services."""
    assert {name for name, option in options.items() if option.get("no_log")} == {
        "kai_install_telegram_bot_token",
        "kai_install_telegram_webhook_secret",
        "kai_install_webhook_secret",
        "kai_install_anthropic_api_key",
        "kai_install_openai_api_key",
        "kai_install_google_api_key",
        "kai_install_openrouter_api_key",
        "kai_install_perplexity_api_key",
        "kai_install_openweather_api_key",
        "kai_install_jina_api_key",
        "kai_install_index_url",
        "kai_install_environment",
        "kai_install_secret_extra_env",
        # Kai 2 installer facts, section 3
        "kai_install_kai_workshop_bootstrap",
        "kai_install_deepseek_api_key",
        "kai_install_github_webhook_secret",
        "kai_install_generic_webhook_secret",
    }


def test_only_the_installation_has_defaults(options: dict[str, Any]) -> None:
    assert {name: option["default"] for name, option in options.items() if "default" in option} == {
        "kai_install_release": "auto",
        "kai_install_contract_version": 1,
        "kai_install_service_user": "kai",
        "kai_install_create_os_users": False,
        "kai_install_trust_user_binaries": False,
        "kai_install_install_dir": "/opt/kai",
        "kai_install_data_dir": "/var/lib/kai",
        "kai_install_health_timeout": 120,
        "kai_install_keep_releases": 3,
    }
    assert not any("required" in option or "choices" in option for option in options.values())


def rows_of_page() -> list[tuple[str, ...]]:
    """Return the cells of each row of the page that names a variable."""
    lines = (ROOT / SETTINGS_PAGE).read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| `kai_install_")]
    return [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in rows]


@pytest.mark.parametrize("line", LINES)
def test_every_setting_is_declared_and_documented(options: dict[str, Any], line: str) -> None:
    contract = contract_of_line(str(ROOT / VARS), line)
    of_line = {row[0] for row in rows_of_page() if row[1 + LINES.index(line)] == "yes"}
    known = {"release", "contract_version", "users", "users_file", "extra_env", "secret_extra_env"}
    known |= {name.lower() for name in [*contract.host, *contract.settings]}
    assert of_line == {f"`kai_install_{name}`" for name in known}
    assert {f"kai_install_{name}" for name in known} <= set(options)


def test_what_lines_share_stands_once() -> None:
    rows = [row[:1] + row[4:] for row in rows_of_page()]
    assert len(rows) == len(set(rows))
    for row in rows_of_page():
        assert "yes" in row[1:4]
    for name in {row[0] for row in rows_of_page()}:
        marks = [row[1:4] for row in rows_of_page() if row[0] == name]
        assert all(column.count("yes") <= 1 for column in zip(*marks, strict=True)), name


def test_a_variable_that_a_line_lacks_is_refused_there_with_the_way_to_its_line() -> None:
    """The names come from the file that is generated for it, and nowhere else."""
    named = yaml.safe_load((ROOT / VARIABLES).read_text(encoding="utf-8"))
    contracts = {line: contract_of_line(str(ROOT / VARS), line) for line in LINES}
    assert named
    for name, having in named.items():
        for line, contract in contracts.items():
            found = read_configuration(contract, {name: "x"}).problems
            refused = [one for one in found if one.where == name and "variable of" in one.found]
            assert bool(refused) == (line not in having), (name, line)
            for problem in refused:
                target = line if "1" in having else "2"
                assert f"kai-ansible migrate --to {target}" in problem.fix
