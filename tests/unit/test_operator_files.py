"""The operator's own files, judged as Kai reads them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.ansible.collection import contract as contract_of_line
from kai_ansible.inventory.host_vars import configuration_of
from kai_ansible.rules.configuration import Configuration, read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.desired_state import desired_state
from kai_ansible.rules.operator_files import UnreadableYaml, parse, read_with_files
from kai_ansible.rules.probe_requests import probe_request
from tests.unit.samples import probe, user, variables

ADA = "users:\n - telegram_id: 1\n   name: Ada\n   role: admin\n   os_user: alice\n"


def judged(contract: Contract, **texts: str) -> Configuration:
    """Return what the files mean; users come from data where no text is given."""
    settings: dict[str, Any] = {name: f"/desk/{name}.yaml" for name in texts}
    given = variables(**settings, secret_extra_env={"SEARCH_KEY": "sk-secret"})
    if "users_file" in texts:
        del given["kai_install_users"]
    return read_with_files(contract, given, dict(texts))


def problems(contract: Contract, **texts: str) -> list[str]:
    return [str(problem) for problem in judged(contract, **texts).problems]


def test_users_as_kai_takes_them_are_accepted(contract: Contract) -> None:
    text = ADA + "   github: ''\n   home_workspace: ''\n   workspace_base:\n   pr_review: no\n"
    found = judged(contract, users_file=text)
    assert found.problems == []
    assert found.entries[0]["pr_review"] is False


FLAGS = ("'yes'", "'true'", "1", "0", "''")


@pytest.mark.parametrize(
    ("line", "field", "told"),
    [
        ("role:", "role", "None"),
        ("role: ''", "role", "''"),
        ("role: ~", "role", "None"),
        ("max_budget: ''", "max_budget", "''"),
        ("agent_backend: ''", "agent_backend", "''"),
        ("agent_backend: pi", "agent_backend", "'pi'"),
        ("llm_provider: ''", "llm_provider", "''"),
        ("llm_provider: magic", "llm_provider", "'magic'"),
        ("model: ''", "model", "''"),
        ("timeout: ''", "timeout", "''"),
        ("context_window: ''", "context_window", "''"),
        ("github_notify_chat_id: ''", "github_notify_chat_id", "''"),
        ("allowed_workspaces:", "allowed_workspaces", "None"),
        ("github_repos: ''", "github_repos", "''"),
        *((f"pr_review: {value}", "pr_review", "true or false") for value in FLAGS),
        *((f"issue_triage: {value}", "issue_triage", "true or false") for value in FLAGS),
        ("rol: admin", "rol", "did you mean role?"),
        ("home_workspace: '/srv/a '", "home_workspace", "blank"),
        ('home_workspace: "/srv/a\\u00a0"', "home_workspace", "blank"),
        ('workspace_base: "/srv/a\\u3000"', "workspace_base", "blank"),
        ("workspace_base: ' /srv/a'", "workspace_base", "absolute"),
        ("allowed_workspaces: [/srv, '/srv/a ']", "allowed_workspaces", "blank"),
        ("name: Bob", "name", "twice"),
    ],
)
def test_what_kai_drops_or_refuses_in_a_users_file_is_refused_with_its_line(
    contract: Contract, line: str, field: str, told: str
) -> None:
    text = "users:\n - telegram_id: 1\n   name: Ada\n" + f"   {line}\n"
    [problem] = judged(contract, users_file=text).problems
    assert problem.where == f"kai_install_users_file[0].{field} (/desk/users_file.yaml:4)"
    assert told in str(problem)


def test_a_number_that_is_no_name_to_kai_is_refused(contract: Contract) -> None:
    [told] = problems(contract, users_file="users: [{telegram_id: 1, name: 0}]")
    assert "kai_install_users_file[0].name" in told


@pytest.mark.parametrize("name", ["users", "services", "workspaces"])
def test_a_tab_that_only_the_parser_in_c_accepts_is_refused(contract: Contract, name: str) -> None:
    text = f"# mine\n{name}: []\t\n"
    if name == "users":
        text = ADA.replace("role: admin", "role: admin\t")
    [told] = problems(contract, **{f"{name}_file": text})
    assert f"kai_install_{name}_file" in told
    assert "not YAML to Kai in line" in told


def test_a_fault_of_yaml_does_not_quote_the_text() -> None:
    with pytest.raises(UnreadableYaml) as caught:
        parse("services:\n a: {headers: {X: sk-secret}\n")
    assert caught.value.line == 3
    assert "secret" not in str(caught.value)


SERVICES = """\
services:
  search:
    url: https://api.example/search
    method: post
    auth: {type: bearer, env: SEARCH_KEY}
    headers: {Accept: application/json, X-Version: 2}
    description: Searches.
"""


def test_services_and_workspaces_are_accepted(contract: Contract) -> None:
    workspaces = "workspaces:\n - path: /srv/a\n   claude: {model: opus, budget: 2, timeout: 60}\n"
    found = judged(contract, services_file=SERVICES, workspaces_file=workspaces)
    assert found.problems == []
    assert judged(contract, services_file="services: {}").problems == []
    assert judged(contract, workspaces_file="workspaces: []").problems == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "found nothing"),
        ("- a\n", "a list"),
        ("service: {}\n", "no services, but service"),
        ("services:\n", "found nothing"),
        ("services: {1: {url: https://a}}", "the name of a service"),
        ("services: {a: 5}", "a number"),
        ("services: {a: {}}", "no url"),
        ("services: {a: {url: 5}}", "an http or https URL"),
        ("services: {a: {url: https://sk-secret b}}", "an http or https URL"),
        ("services: {a: {url: https://a, method: FETCH}}", "one of GET"),
        ("services: {a: {url: https://a, auth: }}", "a mapping"),
        ("services: {a: {url: https://a, auth: {type: }}}", "one of bearer"),
        ("services: {a: {url: https://a, auth: {type: [x]}}}", "one of bearer"),
        ("services: {a: {url: https://a, auth: {type: Bearer, env: SEARCH_KEY}}}", "one of bearer"),
        ("services: {a: {url: https://a, auth: {type: bearer}}}", "no env"),
        ("services: {a: {url: https://a, auth: {type: header, env: SEARCH_KEY}}}", "no name"),
        ("services: {a: {url: https://a, auth: {type: bearer, env: NO_KEY}}}", "secret_extra_env"),
        ("services: {a: {url: https://a, auth: {type: none, optional: 'no'}}}", "true or false"),
        ("services: {a: {url: https://a, headers: [X]}}", "a mapping of names"),
        ("services: {a: {url: https://a, headers: {X: yes}}}", "put it in quotes"),
        ("services: {a: {url: https://a, allow_path_suffix: 'true'}}", "true or false"),
        ("services: {a: {url: https://a, header: {X: a}}}", "did you mean headers?"),
        ("services: {a: {url: https://a}, a: {url: https://b}}", "twice"),
    ],
)
def test_services_that_kai_refuses_or_leaves_out_are_refused(
    contract: Contract, text: str, told: str
) -> None:
    [problem] = problems(contract, services_file=text)
    assert told in problem
    assert "sk-secret" not in problem


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "found nothing"),
        ("workspace: []", "no workspaces, but workspace"),
        ("workspaces: {}", "a mapping"),
        ("workspaces: [5]", "a number"),
        ("workspaces: [{}]", "no path"),
        ("workspaces: [{path: srv}]", "is not absolute"),
        ("workspaces: [{path: ~ada/x}]", "begins with ~"),
        ("workspaces: [{path: /srv}, {path: /srv}]", "each path once"),
        ("workspaces: [{path: /srv, model: opus}]", "below claude"),
        *(
            (f"workspaces: [{{path: /srv, claude: {claude}}}]", told)
            for claude, told in (
                ("5", "a mapping"),
                ("{budget: 0}", "more than 0"),
                ("{budget: true}", "more than 0"),
                ("{budget: ''}", "more than 0"),
                ("{budget: .nan}", "more than 0"),
                ("{timeout: 1.5}", "at least 1"),
                ("{timeout: true}", "at least 1"),
                ("{env: 5}", "a mapping of names"),
                ("{env: {1: a}}", "names that are text"),
                ("{env: {A: [1]}}", "put it in quotes"),
                ("{env_file: ''}", "is not absolute"),
                ("{model: ''}", "the name of a model"),
                ("{system_prompt: a, system_prompt_file: /etc/passwd}", "one of the two"),
                ("{sytem_prompt: a}", "did you mean system_prompt?"),
            )
        ),
    ],
)
def test_workspaces_that_kai_leaves_out_are_refused(
    contract: Contract, text: str, told: str
) -> None:
    [problem] = problems(contract, workspaces_file=text)
    assert told in problem


PROJECT = "project_id: kai, display_name: Kai, memory_enabled: true, workspace_roots: [/srv/kai]"


def of_projects(text: str) -> list[str]:
    """Return the problems that Kai 2 has with a file of projects."""
    found = judged(contract_of_line("2"), memory_projects_file=text)
    return [str(one) for one in found.problems if "memory_projects" in one.where]


def test_projects_of_the_memory_are_accepted() -> None:
    other = "project_id: b, display_name: B, memory_enabled: no, workspace_roots: [~/b, /srv]"
    text = f"projects:\n - {{{PROJECT}, default_scope_for_new_facts: project}}\n - {{{other}}}\n"
    assert of_projects(text) == []
    assert of_projects("projects: []") == []


@pytest.mark.parametrize(
    ("projects", "place", "expected"),
    [
        ("{}", "projects", "a mapping"),
        ("[kai]", "projects[0]", "a mapping with project_id"),
        (f"[{{{PROJECT}}}, {{{PROJECT}}}]", "projects[1].project_id", "each project_id once"),
        (f"[{{{PROJECT.replace('/srv/kai', 'srv')}}}]", "workspace_roots", "is not absolute"),
        (f"[{{{PROJECT.replace('/srv/kai', '')}}}]", "workspace_roots", "a list of absolute"),
        (f"[{{{PROJECT.replace('/srv/kai', '/srv, 5')}}}]", "workspace_roots", "absolute path"),
        (f"[{{{PROJECT.replace('/srv/kai', '/srv, /srv')}}}]", "[1]", "each directory once"),
        (f"[{{{PROJECT.replace('true', 'maybe')}}}]", "memory_enabled", "true or false"),
        (f"[{{{PROJECT.replace('true', '1')}}}]", "memory_enabled", "true or false"),
        (f"[{{{PROJECT.replace('Kai', '')}}}]", "projects[0]", "no display_name"),
        (f"[{{{PROJECT.replace('kai, d', '5, d')}}}]", "project_id", "not blank"),
        (f"[{{{PROJECT}, default_scope_for_new_facts: task}}]", "default_scope", "project"),
        (f"[{{{PROJECT}, memory_enable: true}}]", "memory_enable", "did you mean memory_enabled?"),
    ],
)
def test_projects_of_the_memory_that_kai_leaves_out_are_refused(
    projects: str, place: str, expected: str
) -> None:
    found = of_projects(f"projects: {projects}\n")
    assert any(place in problem and expected in problem for problem in found), found


def test_a_directory_of_two_projects_is_named_with_its_line() -> None:
    other = PROJECT.replace("kai, d", "b, d")
    [problem] = of_projects(f"projects:\n- {{{PROJECT}}}\n- {{{other}}}\n")
    assert "/desk/memory_projects_file.yaml:3" in problem
    assert "each directory once" in problem


def test_text_that_is_no_yaml_is_no_list_of_projects() -> None:
    [problem] = of_projects("projects: [")
    assert "a mapping with a list named projects" in problem


def test_a_model_that_no_list_has_is_noted(contract: Contract) -> None:
    text = "workspaces: [{path: /srv, claude: {model: vendor/x}}]"
    found = judged(contract, workspaces_file=text)
    assert found.problems == []
    assert any("vendor/x" in note for note in found.notes)


def test_all_files_are_judged_at_once(contract: Contract) -> None:
    told = problems(contract, users_file="users: [", services_file="{", workspaces_file="[")
    assert len(told) == 3


def test_the_command_judges_the_files_before_anything_runs(
    contract: Contract, tmp_path: Path
) -> None:
    names = ("users_file", "services_file", "workspaces_file")
    for name in names:
        (tmp_path / name).write_text("{\t")
    given = variables(**{name: os.fspath(tmp_path / name) for name in names})
    del given["kai_install_users"]
    found = configuration_of(contract, given)
    assert [problem.where for problem in found.problems] == [f"kai_install_{n}" for n in names]


def test_a_name_is_told_as_kai_has_it(contract: Contract) -> None:
    found = judged(contract, users_file="users: [{telegram_id: 1, name: ' Ada '}]")
    assert [person.name for person in found.users] == ["Ada"]


def test_what_a_workspace_needs_on_the_host_is_looked_for(contract: Contract) -> None:
    text = "workspaces: [{path: /srv/a, claude: {env_file: /srv/a.env}}, {path: ~/b}]"
    found = judged(contract, workspaces_file=text)
    request = probe_request(found)
    assert request["directories"] == ["/srv/a", "/srv/a.env"]
    assert {"path": "/srv/a", "account": "kai", "write": False} in request["access"]
    assert desired_state(found, probe(directories={"/srv/a.env": "file"}))["problems"] == []
    kinds = {"/srv/a": "directory", "/srv/a.env": "directory"}
    [problem] = desired_state(found, probe(directories=kinds))["problems"]
    assert (problem["where"], problem["expected"]) == (
        "a file that the configuration names",
        "an existing file",
    )


def test_a_key_in_the_place_of_its_name_is_not_shown(contract: Contract) -> None:
    text = "services: {a: {url: https://a, auth: {type: bearer, env: sk_live_5f}}}"
    [told] = problems(contract, services_file=text)
    assert "sk_live" not in told


# every kind that Python strips, as Kai does, and that no other rule refuses
BLANKS = (" ", "\u00a0", "\u1680", "\u2003", "\u3000")


@pytest.mark.parametrize("blank", BLANKS, ids=ascii)
@pytest.mark.parametrize("name", ["home_workspace", "workspace_base", "allowed_workspaces"])
def test_blanks_at_the_ends_of_a_path_are_refused_by_name(
    contract: Contract, name: str, blank: str
) -> None:
    for path in (f"/srv/a{blank}", f"{blank}/srv/a", blank):
        value = [path] if name == "allowed_workspaces" else path
        as_data = read_configuration(contract, variables(user(**{name: value})))
        text = f"users: {json.dumps([user(**{name: value})])}"
        for found in (as_data, judged(contract, users_file=text)):
            [problem] = found.problems
            assert f"[0].{name}" in problem.where


@pytest.mark.parametrize("blank", BLANKS, ids=ascii)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workspace_base", "/srv/a"),
        ("allowed_workspaces", ["/srv/a"]),
        ("webhook_secret", "f0" * 32),
        ("telegram_webhook_secret", "f0" * 32),
    ],
)
def test_blanks_at_the_ends_of_a_setting_are_refused_by_name(
    contract: Contract, name: str, value: Any, blank: str
) -> None:
    webhook = {"telegram_transport": "webhook", "telegram_webhook_url": "https://a.example"}
    for before, after in (("", blank), (blank, ""), (blank, blank)):
        texts = [f"{before}{value}{after}", blank]
        given: list[Any] = [[text] for text in texts] if isinstance(value, list) else texts
        if isinstance(value, list):
            given[0] = [f"{before}{value[0]}{after}"]
        for one in given:
            found = read_configuration(contract, variables(**{**webhook, name: one}))
            assert [p.where for p in found.problems] == [f"kai_install_{name}"], one


@pytest.mark.parametrize("blank", BLANKS[1:], ids=ascii)
def test_only_what_people_type_beside_a_comma_is_left_out(contract: Contract, blank: str) -> None:
    found = read_configuration(contract, variables(allowed_workspaces=" /srv/a ,\t/srv/b\n"))
    assert found.chosen["ALLOWED_WORKSPACES"] == ["/srv/a", "/srv/b"]
    found = read_configuration(contract, variables(allowed_workspaces=f"/srv/a,/srv/b{blank}"))
    assert [problem.where for problem in found.problems] == ["kai_install_allowed_workspaces"]
