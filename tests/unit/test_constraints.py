"""Files of constraints, as pip reads them."""

from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from kai_ansible.rules.constraints import entries_of, hashed_entries, normalized, without_hashes

WRITTEN = """\
# what Kai needs
PyYAML==6.0.3 \\
    --hash=sha256:aa \\
    --hash sha256:bb  # both of them
torch==2.0 ; sys_platform == "linux" --hash=sha256:cc
torch==1.9 ; sys_platform != "linux" --hash=sha256:dd
loose==1
"""


def test_entries_are_reported_with_and_without_their_hashes() -> None:
    assert hashed_entries(WRITTEN) == {
        "pyyaml": ["PyYAML==6.0.3      --hash=sha256:aa      --hash sha256:bb"],
        "torch": [
            'torch==2.0 ; sys_platform == "linux" --hash=sha256:cc',
            'torch==1.9 ; sys_platform != "linux" --hash=sha256:dd',
        ],
    }
    assert [line.split() for line in without_hashes(WRITTEN).splitlines()] == [
        ["PyYAML==6.0.3"],
        ["torch==2.0", ";", "sys_platform", "==", '"linux"'],
        ["torch==1.9", ";", "sys_platform", "!=", '"linux"'],
        ["loose==1"],
    ]


names = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?", fullmatch=True)
digests = st.lists(st.text("0123456789abcdef", min_size=64, max_size=64), max_size=3)


@given(
    name=names,
    digests=digests,
    continued=st.booleans(),
    comment=st.sampled_from(["", "  # why", "\n# --hash=sha256:00"]),
)
def test_a_hash_is_found_however_the_entry_is_written(
    name: str, digests: list[str], continued: bool, comment: str
) -> None:
    gap = " \\\n    " if continued else " "
    text = gap.join([f"{name}==1.0", *(f"--hash=sha256:{digest}" for digest in digests)]) + comment
    [entry] = entries_of(text)
    found = hashed_entries(text)
    assert found == ({normalized(name): [entry]} if digests else {})
    assert all(entry.count(f"--hash=sha256:{digest}") for digest in digests)
    bare = Requirement(without_hashes(text).strip())
    assert (normalized(bare.name), str(bare.specifier)) == (normalized(name), "==1.0")
