"""The documents as a site: every page has its place, and every error of the bot is in it."""

import re
import subprocess

import pytest
import yaml

from kai_ansible.ansible import advice
from kai_ansible.ansible.collection import contract
from tests.conftest import ROOT
from tools import errors_page
from tools.site_links import on_page_markdown

MKDOCS = ROOT / ".cache" / "docs" / "bin" / "mkdocs"


def pages(entries: object) -> list[str]:
    """Return the files of a part of the navigation."""
    if isinstance(entries, str):
        return [entries]
    if isinstance(entries, dict):
        return [page for below in entries.values() for page in pages(below)]
    return [page for entry in entries for page in pages(entry)] if isinstance(entries, list) else []


def test_every_document_has_a_place_in_the_navigation() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    named = pages(site["nav"])
    assert sorted(named) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))
    assert len(named) == len(set(named))


def test_every_symptom_is_on_the_page_of_errors() -> None:
    text = errors_page.PAGE.read_text(encoding="utf-8")
    assert text == errors_page.page(), "run: make generate"
    for symptom in contract().symptoms:
        for example in symptom.examples:
            assert errors_page.code(example) in text


def test_every_pattern_of_advice_matches_its_messages_on_the_page_of_errors() -> None:
    text = errors_page.PAGE.read_text(encoding="utf-8")
    for table in (advice.OF_CONTROLLER, advice.OF_LOGIN, advice.OF_START, advice.OF_HOST):
        for pattern, _ in table:
            for message in errors_page.readable(pattern):
                assert re.search(pattern, message), message
                assert errors_page.code(message) in text


def test_a_link_out_of_the_documents_leads_to_the_repository() -> None:
    class Config:
        repo_url = "https://example.org/repo"

    text = on_page_markdown("[a](../README.md#x) [b](fleets.md)", config=Config())
    assert text == "[a](https://example.org/repo/blob/main/README.md#x) [b](fleets.md)"


@pytest.mark.slow
@pytest.mark.skipif(not MKDOCS.exists(), reason="make docs installs mkdocs")
def test_the_site_is_built_without_a_warning() -> None:
    done = subprocess.run(
        [MKDOCS, "build", "--strict", "--quiet"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
