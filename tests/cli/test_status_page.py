"""The page of status: in a real browser, and with hosts that say anything they like."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kai_ansible.calling import BY_MAKE
from kai_ansible.commands.options import HostOptions
from kai_ansible.terminal.status_page import render
from kai_ansible.terminal.status_view import StatusProbe
from tests.cli.status_samples import FINDING, PROBE, TAKEN, report

WORDS = HostOptions(host="all").words
BROWSER = shutil.which("chromium-headless-shell")
# a page may not run scripts, so another one looks into it
FRAME = """
<!doctype html><pre></pre><iframe src="status.html" width="WIDTH" height="800"></iframe>
<script>
const frame = document.querySelector("iframe");
frame.addEventListener("load", () => {
  const page = frame.contentDocument;
  document.querySelector("pre").textContent = JSON.stringify({
    title: page.title,
    hosts: page.querySelectorAll("article").length,
    too_wide: page.documentElement.scrollWidth > frame.clientWidth,
    background: frame.contentWindow.getComputedStyle(page.body).backgroundColor,
  });
});
</script>
"""


class Page(HTMLParser):
    """The elements of a page, and whether they are nested as they should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.opened: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag


def test_a_fix_names_the_command_as_it_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "<p>Fix: make install." not in render(PROBE, {}, WORDS)
    monkeypatch.setenv(BY_MAKE, "1")
    assert "<p>Fix: make install." in render(PROBE, {}, WORDS)


def test_the_page_needs_nothing_else_and_takes_what_hosts_say_for_text() -> None:
    text = render(PROBE, {}, WORDS)
    page = Page(text)
    assert not page.opened
    tags = [tag for tag, _ in page.elements]
    assert "script" not in tags
    assert "&lt;script&gt;" in text
    assert not [tag for tag in tags if tag in ("img", "iframe", "object", "form")]
    for tag, attributes in page.elements:
        for name in ("href", "src"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, value)
    # each table says what it is about, and each of its columns, on a phone in the cells
    assert tags.count("table") == tags.count("thead") == tags.count("tbody")
    assert {attributes.get("scope") for tag, attributes in page.elements if tag == "th"} == {
        "col",
        "row",
    }
    assert ("html", {"lang": "en"}) in page.elements
    for state in ("healthy", "unhealthy", "UNKNOWN"):
        assert f">{state}</span>" in text


def test_no_text_of_a_host_turns_the_page_or_keeps_it_from_being_written() -> None:
    steering = "/opt/\u202ecodex\ud800\x1b"
    said = {"problems": [{**FINDING, "where": steering, "fix": steering}]}
    text = render(StatusProbe(TAKEN, {"bot1": report(**said)}, []), {}, WORDS)
    assert text.encode()
    assert not {"\u202e", "\x1b"} & {*text}
    assert r"<code>/opt/\u202ecodex\ud800\x1b</code>" in text


def test_what_needs_attention_comes_first_with_the_commands_to_copy() -> None:
    fleet = {f"bot{number}": report() for number in range(100)}
    fleet["bot50"] = report(healthy=False, drift=[FINDING])
    fleet["bot70"] = report(
        healthy=False,
        problems=[{**FINDING, "where": "kai.service"}],
        login_notice=["Log in:", "  sudo -iu alice codex login"],
    )
    text = render(StatusProbe(TAKEN, fleet, []), {}, WORDS)
    order = re.findall(r'<h2 id="name-\d+">(\w+)</h2>', text)
    assert len(order) == 100
    assert order[:3] == ["bot70", "bot50", "bot0"]
    assert re.findall(r"<li><b[^>]*>(\d+)</b> (\w+)</li>", text) == [
        ("2", "unhealthy"),
        ("0", "unknown"),
        ("98", "healthy"),
    ]
    commands = re.findall(r'<pre tabindex="0">([^<]*)</pre>', text)
    assert commands[:2] == ["kai-ansible doctor bot70", "sudo -iu alice codex login"]


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs chromium-headless-shell: tests/testbed/prepare")
@pytest.mark.parametrize(
    ("width", "scheme", "background"),
    [(390, "1", "rgb(255, 255, 255)"), (1280, "0", "rgb(13, 17, 23)")],
    ids=["a phone in the light", "a screen in the dark"],
)
def test_a_browser_shows_it_whole(tmp_path: Path, width: int, scheme: str, background: str) -> None:
    (tmp_path / "status.html").write_text(render(PROBE, {}, WORDS), encoding="utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.replace("WIDTH", str(width)), encoding="utf-8")
    shown = subprocess.run(
        [
            str(BROWSER),
            "--no-sandbox",
            "--disable-gpu",
            # so that the frame may probe into the page; nothing else is loaded
            "--disable-web-security",
            "--allow-file-access-from-files",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--blink-settings=preferredColorScheme={scheme}",
            "--dump-dom",
            frame.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found = json.loads(shown.stdout.partition("<pre>")[2].partition("</pre>")[0])
    assert found == {
        "title": "Kai: 3 hosts",
        "hosts": 3,
        "too_wide": False,
        "background": background,
    }
