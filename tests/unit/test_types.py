"""What mypy judges: everything that is installed, whole."""

import tomllib

from tests.conftest import ROOT

JUDGED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]


def test_mypy_judges_every_file_of_the_product() -> None:
    # links below kai_ansible lead to module_utils
    places = [(ROOT / name).resolve() for name in JUDGED["files"]]
    places += [link.resolve() for link in (ROOT / "kai_ansible").iterdir() if link.is_symlink()]
    files = [path for part in ("kai_ansible", "plugins") for path in (ROOT / part).rglob("*.py")]
    assert len(files) > 100
    assert [path for path in files if not any(map(path.is_relative_to, places))] == []
    assert JUDGED["strict"] is True
