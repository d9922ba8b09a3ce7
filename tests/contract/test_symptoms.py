"""The symptoms of every line of Kai: each way in which a line can show one has an example."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.rules.contract import Contract
from kai_ansible.rules.line_composition import composed
from kai_ansible.rules.typed_data import read
from tests.contract_files import data_of

VARS = Path(__file__).parents[2] / "roles" / "kai_install" / "vars"
FILES = {"1": "kai_1.yml", "2": "lines/2.yml", "2.0": "lines/2.0.yml"}
DOCUMENTS: dict[str, dict[str, Any]] = {line: data_of(VARS / path) for line, path in FILES.items()}
CONTRACTS: dict[str, Contract] = {line: read(Contract, composed(line, DOCUMENTS)) for line in FILES}
# what a regular expression is read by: an escape, a set of characters, the ends of a group, a bar
TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?(?:P<\w+>|[a-z]*:|<?[=!]))?|[|)]", re.DOTALL
)


@dataclass
class Group:
    """A group of a regular expression, or the whole of it, between its parentheses.

    parent: the group around it, with the number of the alternative in which it stands.
    """

    start: int
    is_denied: bool = False
    parent: "tuple[Group, int] | None" = None
    bars: list[int] = field(default_factory=list)
    end: int = 0

    def others(self, number: int) -> list[tuple[int, int]]:
        """Return where all but one alternative stand."""
        edges = [self.start, *self.bars, self.end]
        first = edges[number] + (number > 0)
        return [(self.start, first), (edges[number + 1], self.end)]


def groups_of(pattern: str) -> list[Group]:
    """Return the groups of a regular expression, the whole of it last."""
    around, found = [Group(0)], []
    for token in TOKEN.finditer(pattern):
        inner = around[-1]
        if token[0].startswith("("):
            denied = inner.is_denied or token[0].endswith("!")
            around.append(Group(token.end(), denied, (inner, len(inner.bars))))
        elif token[0] == "|":
            inner.bars.append(token.start())
        elif token[0] == ")":
            inner.end = token.start()
            found.append(around.pop())
    [whole] = around
    whole.end = len(pattern)
    return [*found, whole]


def alternatives(pattern: str) -> Iterator[str]:
    """Yield a pattern once per alternative in it, without any other way around that one."""
    for group in groups_of(pattern):
        if group.is_denied or not (group.bars or group.parent is None):
            continue
        for number in range(len(group.bars) + 1):
            cuts = []
            step: tuple[Group, int] | None = (group, number)
            while step:
                inner, chosen = step
                cuts += inner.others(chosen)
                if pattern[inner.end + 1 : inner.end + 2] in ("?", "*"):
                    # the group has to be there
                    cuts.append((inner.end + 1, inner.end + 2))
                step = inner.parent
            gone = {place for start, end in cuts for place in range(start, end)}
            yield "".join(char for place, char in enumerate(pattern) if place not in gone)


SYMPTOMS = [
    pytest.param(line, symptom, id=f"{line} {symptom['name']}")
    for line in FILES
    for symptom in composed(line, DOCUMENTS)["symptoms"]
]


@pytest.mark.parametrize(
    ("pattern", "ways"),
    [
        ("a", ["a"]),
        ("a|b", ["a", "b"]),
        ("(a|b)?c", ["(a)c", "(b)c", "(a|b)?c"]),
        ("x|(?P<n>a(b|c)|d)", ["(?P<n>a(b))", "(?P<n>a(c))", "(?P<n>a(b|c))", "(?P<n>d)", "x"]),
        (r"(?!a|b)[(|)]\|c", [r"(?!a|b)[(|)]\|c"]),
    ],
)
def test_the_alternatives_of_a_pattern(pattern: str, ways: list[str]) -> None:
    assert set(ways) <= set(alternatives(pattern))


@pytest.mark.parametrize(("line", "symptom"), SYMPTOMS)
def test_each_alternative_of_a_symptom_has_an_example(line: str, symptom: dict[str, Any]) -> None:
    agents = "|".join(CONTRACTS[line].backends)
    without = [
        pattern
        for pattern in alternatives(symptom["pattern"])
        if not any(
            re.search(pattern.replace("{agents}", agents), one) for one in symptom["examples"]
        )
    ]
    assert without == []


@pytest.mark.parametrize(("line", "symptom"), SYMPTOMS)
def test_every_example_shows_its_symptom_and_no_other_one(
    line: str, symptom: dict[str, Any]
) -> None:
    for example in symptom["examples"]:
        found = [one.name for one in CONTRACTS[line].symptoms if re.search(one.pattern, example)]
        assert found == [symptom["name"]], example


@pytest.mark.parametrize(("line", "symptom"), SYMPTOMS)
def test_the_words_in_braces_are_groups_of_the_pattern(line: str, symptom: dict[str, Any]) -> None:
    texts = f"{symptom.get('where')} {symptom['cause']} {symptom['fix']}"
    pattern = symptom["pattern"].replace("{agents}", "|".join(CONTRACTS[line].backends))
    assert set(re.findall(r"\{(\w+)\}", texts)) - {"variable"} <= {*re.compile(pattern).groupindex}


@pytest.mark.parametrize("line", FILES)
def test_no_symptom_has_two_entries(line: str) -> None:
    names = [symptom.name for symptom in CONTRACTS[line].symptoms]
    assert len(names) == len({*names})


@pytest.mark.parametrize(
    ("line", "name"), [(line, name) for line in FILES for name in CONTRACTS[line].backends]
)
def test_every_backend_is_known_to_the_symptoms_of_agents(line: str, name: str) -> None:
    patterns = {one.name: one.pattern for one in CONTRACTS[line].symptoms}
    assert re.search(patterns["agent_ended"], f"ERROR kai: {name.capitalize()} process EOF")
    refused = f"PermissionError: [Errno 13] Permission denied: '/opt/bin/{name}'"
    assert re.search(patterns["agent_forbidden"], refused)
    assert not re.search(patterns["permission_denied"], refused)
