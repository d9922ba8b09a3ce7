"""What a run takes of a report whose host may answer anything."""

from typing import Any, get_type_hints

import pytest

from kai_ansible.ansible import playbooks
from kai_ansible.ansible.playbooks import Playbook
from kai_ansible.ansible.published import fitting, misfit
from kai_ansible.rules.module_arguments import DirectoryData
from kai_ansible.rules.probe import Account, FormerInstall, Kind
from kai_ansible.rules.problems import ProblemData
from kai_ansible.rules.status_report import StatusReport
from tests.cli.status_samples import FINDING, report
from tests.conftest import ROOT

SPACE = {"path": "/var", "size_mb": 9, "free_mb": 5, "files": 0, "free_files": 0}
FORMER = {"paths": [], "drop_ins": [], "rules": [[1, "a rule"]]}


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"free_space": 5}, "bad.free_space"),
        ({"live": ["x"]}, "bad.live"),
        ({"releases": "x"}, "bad.releases"),
        ({"installs": [{"number": 1}]}, "bad.installs[0].by"),
        ({"system": {}}, "bad.system.kernel"),
        ({"problems": [{**FINDING, "fix": None}]}, "bad.problems[0].fix"),
        ({"healthy": 1}, "bad.healthy"),
        ({"free_space": [{**SPACE, "free_mb": 10**400}]}, "bad.free_space[0].free_mb"),
    ],
)
def test_a_host_that_answers_anything_keeps_no_other_from_being_reported(
    said: dict[str, Any], place: str
) -> None:
    published = {"bad": report(**said), "good": report(free_space=[SPACE])}
    fit, others = fitting(StatusReport, published)
    assert fit == {"good": published["good"]}
    assert others == {"bad": f"{place}: not as expected"}


@pytest.mark.parametrize(
    ("kind", "value", "place"),
    [
        (list[ProblemData], [FINDING], ""),
        (list[ProblemData], [{"where": "forged"}], "x[0].expected"),
        (dict[str, Account | None], {"alice": None}, ""),
        (dict[str, Account | None], {"alice": {"uid": 1}}, "x.alice.gid"),
        (dict[str, str], ["alice"], "x"),
        (FormerInstall, FORMER, ""),
        (FormerInstall, {**FORMER, "rules": [[1]]}, "x.rules[0]"),
        (FormerInstall, {**FORMER, "rules": [["1", "a rule"]]}, "x.rules[0][0]"),
        (float | None, 5, ""),
        (float | None, 0.5, ""),
        (float | None, float("nan"), "x"),
        (float | None, True, "x"),
        (int, 0.5, "x"),
        (Kind, "linux", ""),
        (Kind, "windows", "x"),
    ],
)
def test_every_kind_of_part(kind: Any, value: Any, place: str) -> None:
    assert misfit(kind, value, "x") == place


def test_a_part_may_be_missing_only_where_its_type_says_so() -> None:
    whole = {"path": "/d", "owner": "kai", "group_of": "kai", "mode": None, "reader": None}
    assert misfit(DirectoryData, whole, "x") == ""
    assert misfit(DirectoryData, {**whole, "listed": 1}, "x") == "x.listed"
    del whole["owner"]
    assert misfit(DirectoryData, whole, "x") == "x.owner"


def test_every_playbook_of_the_collection_has_the_type_of_its_report() -> None:
    typed = [one for one in vars(playbooks).values() if isinstance(one, Playbook)]
    files = {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
    assert sorted(one.name for one in typed) == sorted(files)
    # it is resolved as a run does, with the types of its parts
    assert all(get_type_hints(one.report) for one in typed)
