"""The wizard with arrow keys, in a terminal whose screen is read back."""

import pexpect
import pyte
import pytest

from tests.cli.desk import COLUMNS, LABELS, REVIEW, ROWS, SECONDS, TOKEN, Desk, exit_code

DOWN, ENTER = "\x1b[B", "\r"
CTRL_C, CTRL_D, CTRL_U = "\x03", "\x04", "\x15"


class Screen:
    """A wizard in a terminal with a cursor, and what its screen shows."""

    def __init__(self, desk: Desk, *arguments: str, rows: int = ROWS, columns: int = COLUMNS):
        command = ["config", "--no-probe", *arguments]
        self.child = desk.dialog(*command, term="xterm", dimensions=(rows, columns))
        self.display = pyte.Screen(columns, rows)
        self.stream = pyte.Stream(self.display)
        self.everything = ""

    def read(self) -> bool:
        """Take what the wizard wrote; return whether there was anything."""
        try:
            text = self.child.read_nonblocking(65536, timeout=SECONDS)
        except (pexpect.EOF, pexpect.TIMEOUT):
            return False
        self.everything += text
        self.stream.feed(text)
        return True

    @property
    def lines(self) -> list[str]:
        return ["", *(line.rstrip() for line in self.display.display)]

    @property
    def current(self) -> str:
        """The present question, with the list below it."""
        return "\n".join(self.lines).rpartition("\n? ")[2].rstrip()

    def wait_for(self, text: str) -> None:
        """Return when the present question shows a text."""
        while text not in self.current:
            assert self.read(), f"{text!r} never came:\n" + "\n".join(self.lines)

    def wait_for_line(self, text: str) -> None:
        """Return when any line of the screen shows a text."""
        while not any(text in line for line in self.lines):
            assert self.read(), f"{text!r} never came:\n" + "\n".join(self.lines)

    def answer(self, prompt: str, keys: str = "", shown: str | None = None) -> None:
        """Type keys at a prompt, wait until they show, and press Enter."""
        self.wait_for(LABELS.get(prompt, prompt))
        self.child.send(keys)
        self.wait_for(keys if shown is None else shown)
        self.child.send(ENTER)

    def end(self) -> int:
        """Return the exit code of a wizard that has nothing more to ask."""
        while self.read():
            pass
        assert "Traceback" not in self.everything
        return exit_code(self.child)


def first_prompts(screen: Screen, *, until: str) -> None:
    """Answer the prompts of a first run, as far as one that is left unanswered."""
    for prompt, keys, shown in (
        ("source", "kai", None),
        ("TELEGRAM_BOT_TOKEN", TOKEN, "*" * len(TOKEN)),
        ("telegram_id", "77", None),
        ("os_user", "alice", None),
        ("AGENT_BACKEND", DOWN, "» codex"),
    ):
        if prompt == until:
            break
        screen.answer(prompt, keys, shown)
    screen.wait_for(LABELS.get(until, until))


SIZES = pytest.mark.parametrize(("rows", "columns"), [(ROWS, COLUMNS), (24, 80)])


@pytest.mark.sample(1, "the same way on another screen")
@SIZES
def test_a_first_run_with_arrow_keys(desk: Desk, rows: int, columns: int) -> None:
    screen = Screen(desk, rows=rows, columns=columns)
    first_prompts(screen, until=REVIEW)
    screen.answer(REVIEW, DOWN, shown="» Change a section")
    screen.answer("Which section?", DOWN * 4, shown="» Models")
    screen.answer("DEFAULT_MODEL", DOWN, shown="» gpt-5.4\n")
    for prompt in ("AGENT_TIMEOUT_SECONDS", "BUDGET_CEILING", "CLAUDE_MAX_CONTEXT_WINDOW"):
        screen.answer(prompt)
    screen.answer(REVIEW, shown="» Write it")
    assert screen.end() == 0
    assert TOKEN not in screen.everything
    assert desk.settings()["kai_install_agent_backend"] == "codex"
    assert desk.settings()["kai_install_default_model"] == "gpt-5.4"
    assert desk.secrets()["kai_install_telegram_bot_token"] == TOKEN


def test_everything_that_is_shown_fits_into_80_columns(desk: Desk) -> None:
    desk.given(desk.answers(AGENT_BACKEND="codex"))
    screen = Screen(desk, rows=200, columns=80)
    screen.wait_for("What next?")
    assert max(map(len, screen.lines)) <= 80
    assert sum(line.startswith("    ") for line in screen.lines) > 3
    header = next(line for line in screen.lines if line.split() == ["Setting", "Value", "From"])
    [row] = [line for line in screen.lines if line.split()[:1] == ["AGENT_BACKEND"]]
    assert row.index("codex") == header.index("Value")
    screen.child.send(CTRL_C)
    assert screen.end() == 130


def test_colours_are_left_out_where_nobody_wants_them(desk: Desk) -> None:
    desk.given(desk.answers())
    desk.variables["NO_COLOR"] = "1"
    screen = Screen(desk)
    screen.wait_for("» Write it")
    screen.child.send(CTRL_C)
    assert screen.end() == 130
    cells = [cell for row in screen.display.buffer.values() for cell in row.values()]
    assert {cell.fg for cell in cells} == {"default"}


def test_a_question_mark_explains_a_choice_and_a_text(desk: Desk) -> None:
    screen = Screen(desk)
    first_prompts(screen, until="source")
    screen.child.send("?")
    screen.wait_for_line("by its absolute path, or a git URL")
    # it is not in the line
    screen.answer("source", "kai")
    screen.wait_for(LABELS["TELEGRAM_BOT_TOKEN"])
    screen.child.send("?")
    screen.wait_for_line("BotFather")
    screen.answer("TELEGRAM_BOT_TOKEN", TOKEN, "*" * len(TOKEN))
    for prompt, keys in (("telegram_id", "77"), ("os_user", "alice")):
        screen.answer(prompt, keys)
    screen.wait_for(LABELS["AGENT_BACKEND"])
    screen.child.send("?")
    screen.wait_for_line("Kai's default: claude.")
    screen.answer("AGENT_BACKEND", DOWN, shown="» codex")
    screen.wait_for(REVIEW)
    screen.child.send(CTRL_C)
    screen.wait_for("Save your answers")
    screen.child.send(CTRL_C)
    assert screen.end() == 130


def test_what_is_set_is_marked_and_a_model_that_no_longer_fits_is_asked(desk: Desk) -> None:
    # the model belongs to another section than the one that is asked
    desk.given(desk.answers(AGENT_BACKEND="claude", DEFAULT_MODEL="opus"))
    screen = Screen(desk, "--section", "agents")
    screen.wait_for("» claude")
    screen.answer("AGENT_BACKEND", DOWN, shown="» codex")
    screen.answer("CODEX_AUTH_MODE")
    screen.answer("CODEX_BIN")
    screen.answer("DEFAULT_MODEL", shown="» gpt-5.5")
    screen.answer(REVIEW, shown="» Write it")
    assert screen.end() == 0
    assert "DEFAULT_MODEL 'opus' does not fit codex" in screen.everything
    assert desk.settings()["kai_install_default_model"] == "gpt-5.5"


def test_enter_chooses_nothing_where_the_stored_value_is_no_choice(desk: Desk) -> None:
    desk.given(desk.answers())
    with (desk.host_vars() / "kai.yml").open("a") as file:
        file.write("kai_install_telegram_transport: pigeon\n")
    screen = Screen(desk, "--section", "telegram")
    screen.answer("TELEGRAM_BOT_TOKEN")
    screen.wait_for("» (choose one)")
    assert any("TELEGRAM_TRANSPORT 'pigeon' is not one of" in line for line in screen.lines)
    screen.child.send(ENTER)
    screen.wait_for_line("transport (choose one)")
    screen.answer("TELEGRAM_TRANSPORT", DOWN + DOWN, shown="» polling")
    screen.answer(REVIEW, shown="» Write it")
    assert screen.end() == 0
    assert desk.settings()["kai_install_telegram_transport"] == "polling"


def test_a_model_is_marked_as_the_bot_reads_it(desk: Desk) -> None:
    desk.given(desk.answers(AGENT_BACKEND="claude", DEFAULT_MODEL="opus"))
    path = desk.host_vars() / "kai.yml"
    path.write_text(path.read_text().replace('"opus"', '"OPUS "'))
    screen = Screen(desk, "--section", "models")
    screen.wait_for("» opus")
    screen.child.send(CTRL_C)
    assert screen.end() == 130


def test_an_answer_is_judged_before_it_is_taken(desk: Desk) -> None:
    screen = Screen(desk, "--section", "paths")
    screen.answer("source", "kai")
    screen.wait_for(LABELS["service_user"])
    screen.child.send(f"{CTRL_U}ALL{ENTER}")
    screen.wait_for_line("sudoers")
    screen.child.send(f"{CTRL_U}kai{ENTER}")
    screen.wait_for(LABELS["install_dir"])
    screen.child.send(CTRL_C)
    screen.wait_for("Save your answers")
    screen.child.send("n")
    assert screen.end() == 130


@pytest.mark.sample(2, "the same way with another prompt")
@pytest.mark.parametrize(
    ("prompt", "key"),
    [
        ("source", CTRL_C),
        ("TELEGRAM_BOT_TOKEN", CTRL_C),
        ("TELEGRAM_BOT_TOKEN", CTRL_D),
        ("AGENT_BACKEND", CTRL_C),
        (REVIEW, CTRL_C),
    ],
)
def test_an_abort_leaves_everything_as_it_was(desk: Desk, prompt: str, key: str) -> None:
    before = desk.tree()
    screen = Screen(desk)
    first_prompts(screen, until=prompt)
    screen.child.send(key)
    if prompt != "source" and key == CTRL_C:
        screen.wait_for("Save your answers")
        screen.child.send("n")
    assert screen.end() == 130, screen.everything
    assert desk.tree() == before


ESC = "\x1b"


@pytest.mark.sample(1, "the same way with another key")
@pytest.mark.parametrize("key", [ESC, "<"])
def test_a_key_goes_back_to_the_question_before(desk: Desk, key: str) -> None:
    screen = Screen(desk)
    first_prompts(screen, until="AGENT_BACKEND")
    screen.child.send(key)
    screen.answer("os_user", "bob")
    screen.wait_for(LABELS["AGENT_BACKEND"])
    for prompt in ("os_user", "telegram_id", "TELEGRAM_BOT_TOKEN"):
        screen.child.send(key)
        screen.wait_for(LABELS[prompt])
    screen.answer("TELEGRAM_BOT_TOKEN", TOKEN, "*" * len(TOKEN))
    for prompt, keys, shown in (
        ("telegram_id", "78", None),
        ("os_user", "carol", None),
        ("AGENT_BACKEND", DOWN, "» codex"),
        (REVIEW, "", "» Write it"),
    ):
        screen.answer(prompt, keys, shown)
    assert screen.end() == 0
    [user] = desk.settings()["kai_install_users"]
    assert (user["telegram_id"], user["os_user"], user["name"]) == (78, "carol", "Carol")


def test_a_default_is_no_text_that_is_appended_to(desk: Desk) -> None:
    desk.given(desk.answers(WEBHOOK_PORT=8181))
    screen = Screen(desk, "--section", "paths")
    screen.answer("service_user", "bot2")
    screen.wait_for(LABELS["install_dir"])
    # Tab takes the default into the line, to be edited
    screen.child.send("\t2")
    screen.wait_for("/opt/kai2")
    screen.child.send(CTRL_C)
    screen.wait_for("Save your answers")
    screen.child.send("y")
    assert screen.end() == 130
    assert desk.settings()["kai_install_service_user"] == "bot2"
