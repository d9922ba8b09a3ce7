"""Wherever an exchange of two data directories was cut off, the former one comes back."""

from pathlib import Path

import pytest

from kai_ansible.host.data_copy import StagingArea
from kai_ansible.rules.problems import Refused


def exchanged(tmp_path: Path, *, renames: int) -> StagingArea:
    """Return a place after so many renames of an exchange."""
    place = StagingArea(str(tmp_path / "kai"))
    for path, text in ((place.data_dir, "former"), (place.data, "restored")):
        Path(path).mkdir(parents=True)
        Path(path, "word").write_text(text, encoding="utf-8")
    if renames:
        Path(place.data_dir).rename(place.former)
    if renames > 1:
        Path(place.data).rename(place.data_dir)
    return place


@pytest.mark.parametrize("renames", [0, 1, 2])
@pytest.mark.parametrize("laid_out", [False, True])
def test_the_former_data_comes_back(tmp_path: Path, renames: int, *, laid_out: bool) -> None:
    place = exchanged(tmp_path, renames=renames)
    if laid_out and renames == 1:
        # what the next install does before it goes back
        Path(place.data_dir, "logs").mkdir(parents=True)
    if renames:
        with pytest.raises(Refused, match="former data"):
            place.remove()
    for _again in range(2):
        place.exchange_back()
        assert Path(place.data_dir, "word").read_text(encoding="utf-8") == "former"
    place.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["kai"]


def test_an_exchange_keeps_the_former_data(tmp_path: Path) -> None:
    place = exchanged(tmp_path, renames=0)
    place.exchange()
    assert Path(place.data_dir, "word").read_text(encoding="utf-8") == "restored"
    assert Path(place.former, "word").read_text(encoding="utf-8") == "former"
