"""What doctor says about the messages of a real Kai: the ones in its code, and the ones it prints.

Every message by which the loader refuses to start is explained by the symptom of its family and by
no other one; every warning is explained as well, or has a reason in UNEXPLAINED.
"""

import ast
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from kai_ansible.rules.contract import Contract
from kai_ansible.rules.diagnosis import shown_in
from tests.real.cases import Case, files, groups
from tests.real.source import Source
from tests.real.test_loader import judged

# what has commands of its own, which no service runs
COMMANDS = ("install.py", "totp.py", "memory_admin.py")
LOADER = ("config.py", "services.py", "oneshot_binary.py", "main.py")
LOGGERS = ("kai.config", "kai.services")
# modules that talk to an agent
AGENTS = ("claude.py", "codex.py", "goose.py")
LOGGED = ("warning", "error", "exception", "critical")

# The family of a message, by words in it: the first that is found counts.
FAMILIES = (
    ("Failed to write to", "agent_ended"),
    ("exited during handshake", "agent_ended"),
    ("process EOF", "agent_ended"),
    ("handshake timed out", "agent_silent"),
    ("has invalid agent_backend", "user_refused"),
    ("has invalid llm_provider", "user_refused"),
    ("but no llm_provider is configured", "user_without_provider"),
    ("is on open-ended provider", "user_without_model"),
    ("workspaces.yaml", "workspaces_ignored"),
    ("Cannot read env file", "env_file_unreadable"),
    ("users.yaml: skipping", "user_skipped"),
    ("; skipping entry", "user_skipped"),
    ("users.yaml: duplicate", "user_skipped"),
    ("home_workspace not found", "directory_missing"),
    ("workspace_base not found", "directory_missing"),
    ("allowed_workspaces entry for", "directory_missing"),
    ("ALLOWED_WORKSPACES: skipping", "directory_missing"),
    ("users.yaml: expected", "users_unusable"),
    ("users.yaml: 'users' must be", "users_unusable"),
    ("users.yaml: no 'users' key", "users_unusable"),
    ("users.yaml is malformed", "users_unusable"),
    ("in /etc/kai/users.yaml", "users_unusable"),
    ("/etc/kai/users.yaml: expected", "users_unusable"),
    ("Cannot load /opt/kai/current/users.yaml", "users_unusable"),
    ("contains no valid user entries", "users_unusable"),
    ("No user authorization", "users_unusable"),
    ("No allowed user IDs", "users_unusable"),
    ("ALLOWED_USER_IDS contains", "users_unusable"),
    ("users.yaml: ", "user_value_ignored"),
    ("Invalid YAML in", "services_unreadable"),
    ("env var", "service_without_key"),
    ("Services config is not", "services_ignored"),
    ("'services' key is not", "services_ignored"),
    (" - skipping", "services_ignored"),
    ("Invalid GITHUB_NOTIFY_CHAT_ID", "setting_ignored"),
    ("WORKSPACE_BASE is not", "base_missing"),
    ("DEFAULT_MODEL '", "model_refused"),
    ("TELEGRAM_BOT_TOKEN is required", "token_missing"),
    ("TELEGRAM_WEBHOOK_SECRET (or", "webhook_secret_missing"),
    ("Memory extraction requires", "extraction_without_binary"),
    ("MODEL_REGISTRY ", "models_of_release"),
    ("AGENT_BACKEND '", "setting_refused"),
    ("LLM_PROVIDER '", "setting_refused"),
    (" must be ", "setting_refused"),
)

# Messages that no symptom explains, by words in them, and why.
UNEXPLAINED = {
    "is deprecated": "the value is used, or another one is",
    "in env is deprecated": "the value is used",
    "is deprecated and ignored": "the contract retires the setting, and an install says so",
    "ALLOWED_USER_IDS is set but": "users.yaml is used, which an install writes",
    "no admin users defined": "host_vars may say so, and an install notes it",
    "GitHub features enabled": "host_vars may say so; everything else works",
    "matches bot process user": "the agent runs as host_vars say",
    "unrecognized model": "the model is used as it is written",
    "has no entry in PROVIDER_MODELS": "the model is used as it is written",
    "' timed out": "the service of somebody else gave no answer",
    "connection error": "the service of somebody else gave no answer",
    "response truncated": "the service of somebody else answered at length",
    "Could not initialize semantic memory": "a traceback with the reason follows",
    "Kai crashed": "a traceback with the reason follows",
    "File cleanup error": "the bot tries again, and everything else works",
    "interrupted-response flag": "one user does not hear that an answer was cut off",
    "old .responding_to flag": "one user does not hear that an answer was cut off",
    "Network not ready": "the bot tries again; it ends with an error that is explained",
}
# what a run of an agent may log or raise, though the agent works again with the next message
AGENT_WORDS = ("process EOF", "handshake timed out", "exited during", "Failed to write to")

SAMPLES = {
    "names": ("Bob", "O'Neil (x): y, z"),
    "paths": ("/srv/work", "/srv/a b: c"),
    "reasons": ("must be positive", "invalid literal for int() with base 10: 'x'"),
    "agents": ("codex", "claude"),
    "services": ("/opt/kai/current/services.yaml",),
    "words": ("x", "5"),
}
PATHS = ("path", "ws_path", "workspace_base", "user_workspace_base", "home_workspace", "p")
MOST_SAMPLES = 2
# a Kai without these would not be understood by this test
FEWEST_FATAL = 50
# errors of Python that end the bot while it reads its configuration, and why none is explained
TRACEBACKS = {
    "OSError": "an install refuses a path that no system takes",
    "ValueError": "an install refuses a path with a NUL",
    "RuntimeError": "an install refuses ~ of nobody",
    "UnicodeEncodeError": "an install refuses what is no text",
    "OverflowError": "doctor shows the line as the last one of a bot that ends by itself",
    "TypeError": "doctor shows the line as the last one of a bot that ends by itself",
}
GROUPS = ("settings", "fields of users", "services and workspaces", "hostile values")


@dataclass(frozen=True)
class Message:
    """A message in the code of Kai: where it is, its severity, and its parts with placeholders."""

    place: str
    level: str
    parts: tuple[str | ast.expr, ...]

    @property
    def text(self) -> str:
        """The message with its placeholders, to be read by people."""
        return "".join(
            part if isinstance(part, str) else f"<{ast.unparse(part)}>" for part in self.parts
        )

    @property
    def pattern(self) -> str:
        """A regular expression of what the message looks like when it is printed."""
        return "".join(re.escape(part) if isinstance(part, str) else ".*" for part in self.parts)

    def filled(self, number: int) -> str:
        """Return the message with the sample values of that number."""
        return "".join(
            part if isinstance(part, str) else sample(part, number) for part in self.parts
        )


def sample(expression: ast.expr, number: int) -> str:
    """Return a value for a placeholder."""
    name = ast.unparse(expression)
    kind = "words"
    if name in PATHS or name.endswith("_file"):
        kind = "paths"
    elif name == "config_path":
        kind = "services"
    elif name.endswith("backend"):
        kind = "agents"
    elif name == "name":
        kind = "names"
    elif name == "e":
        kind = "reasons"
    values = SAMPLES[kind]
    return values[number % len(values)]


def parts_of(node: ast.expr) -> list[str | ast.expr]:
    """Return the parts of a string expression: text, and expressions for what is filled in."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.JoinedStr):
        return list(itertools.chain.from_iterable(map(parts_of, node.values)))
    if isinstance(node, ast.FormattedValue):
        value: list[str | ast.expr] = [node.value]
        return ["'", *value, "'"] if node.conversion == ord("r") else value
    return [node]


def logged_parts(call: ast.Call) -> list[str | ast.expr]:
    """Return the parts of a logged message, whose placeholders are those of %."""
    [text] = parts_of(call.args[0])
    found: list[str | ast.expr] = []
    arguments = iter(call.args[1:])
    for piece in re.split(r"(%(?:\.0f|[srd%]))", str(text)):
        if piece == "%%":
            found.append("%")
        elif piece.startswith("%") and len(piece) > 1:
            found += ["'", next(arguments), "'"] if piece == "%r" else [next(arguments)]
        else:
            found.append(piece)
    return found


def variants(parts: list[str | ast.expr]) -> Iterator[tuple[str | ast.expr, ...]]:
    """Yield a message once for each file that it may be about."""
    names = {"filename": ("users.yaml", "workspaces.yaml")}
    place = "/opt/kai/current/"
    for name in names["filename"]:
        filled = tuple(
            name
            if isinstance(part, ast.Name) and part.id == "filename"
            else place + name
            if isinstance(part, ast.Name) and part.id == "local_path"
            else part
            for part in parts
        )
        yield filled
        if filled == tuple(parts):
            return


def messages_of(source: Source) -> list[Message]:
    """Return every message of the loader and of what talks to agents, from the code of a Kai."""
    found = []
    for path in sorted((source.tree / "src/kai").glob("*.py")):
        if path.name in COMMANDS:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts = {
            node.targets[0].id: node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                kind, argument = ast.unparse(node.exc.func), node.exc.args[0]
                if isinstance(argument, ast.Name):
                    argument = texts.get(argument.id, argument)
                agent = path.name in AGENTS and kind in ("RuntimeError", "TimeoutError")
                if kind != "SystemExit" and not agent:
                    continue
                level, parts = ("agent" if agent else "fatal"), parts_of(argument)
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in LOGGED
                and ast.unparse(node.func.value) in ("log", "logging")
                and path.name in (*LOADER, *AGENTS)
            ):
                level = "agent" if path.name in AGENTS else "warning"
                parts = logged_parts(node)
            else:
                continue
            for one in variants(parts):
                message = Message(f"{path.name}:{node.lineno}", level, one)
                if level != "agent" or any(word in message.text for word in AGENT_WORDS):
                    found.append(message)
    return found


def family_of(message: Message) -> str | None:
    """Return the symptom that has to explain a message, None when none does. Fails for neither."""
    text = message.filled(0)
    for words in UNEXPLAINED:
        if words in message.text or words in text:
            assert message.level == "warning", f"{message.place} {text} ends the bot"
            return None
    family = next((family for words, family in FAMILIES if words in text), None)
    assert family, f"{message.place}: no family and no reason for {text!r}"
    return family


def in_log(message: str, level: str) -> list[str]:
    """Return the lines of the journal that a message makes."""
    lines = message.split("\n")
    if level == "warning":
        lines[0] = f"2026-01-02 03:04:05,678 kai.config WARNING {lines[0]}"
    return [f"2026-01-02T03:04:05+0000 python[7]: {line}" for line in lines]


def shown(contract: Contract, line: str) -> list[str]:
    """Return the names of all symptoms whose pattern is in a line."""
    return [one.name for one in contract.symptoms if re.search(one.pattern, line)]


def test_the_messages_in_the_code_of_kai(
    real_kai: Source, contract: Contract, counts: list[str]
) -> None:
    messages = messages_of(real_kai)
    tally: Counter[str] = Counter()
    wrong = []
    for message in messages:
        family = family_of(message)
        tally[f"{message.level} {'explained' if family else 'needing nothing'}"] += 1
        for number in range(MOST_SAMPLES):
            line = in_log(message.filled(number), message.level)[0]
            names = shown(contract, line)
            if names != ([family] if family else []):
                wrong.append(f"{message.place}: {line}: {names} instead of {family}")
    counts.append("messages in the code: " + told(tally))
    assert wrong == []
    assert tally["fatal explained"] >= FEWEST_FATAL
    reasons = [text for text in UNEXPLAINED if not any(text in one.text for one in messages)]
    assert reasons == [], "a reason for a message that Kai does not have"
    families = {family for _, family in FAMILIES}
    assert families <= {symptom.name for symptom in contract.symptoms}


def test_a_finding_names_the_setting_the_user_and_the_directory(
    real_kai: Source, contract: Contract, counts: list[str]
) -> None:
    named: Counter[str] = Counter()
    for message in messages_of(real_kai):
        text = message.filled(0)
        family = family_of(message)
        if family is None:
            continue
        [finding] = shown_in(contract, in_log(text, message.level)[:1])
        assert "{" not in finding.where + finding.cause + finding.fix
        if family in ("setting_refused", "setting_ignored"):
            key = re.findall(r"[A-Z]+_[A-Z_]+", message.text)[0]
            assert finding.where == f"/etc/kai/env: {key}"
            assert f"kai_install_{key.lower()}" in finding.fix
            named["settings"] += 1
        elif family in ("user_refused", "user_without_provider", "user_value_ignored"):
            assert finding.where.endswith(" of Bob"), finding
            named["users"] += 1
        elif family in ("directory_missing", "base_missing"):
            assert finding.where == "/srv/work", finding
            named["directories"] += 1
    counts.append("named by findings: " + told(named))
    assert set(named) == {"settings", "users", "directories"}


@pytest.fixture(scope="module")
def cases(contract: Contract) -> list[Case]:
    """Configurations of which many are wrong."""
    keys = [key for key, spec in contract.settings.items() if spec.written != "never"]
    every = groups(keys)
    return [
        *itertools.chain.from_iterable(every[group] for group in GROUPS),
        *every["pairs of users"][::17],
        ("no users", files({}, None)),
        ("ids that are none", files({"ALLOWED_USER_IDS": "x"}, None)),
    ]


def test_the_messages_that_the_real_loader_prints(
    real_kai: Source, contract: Contract, counts: list[str], cases: list[Case]
) -> None:
    known = [
        (re.compile(message.pattern, re.DOTALL), message)
        for message in messages_of(real_kai)
        if message.level != "agent"
    ]
    # the more fixed text a message has, the less it is another one
    known.sort(key=lambda pair: -sum(len(part) for part in pair[1].parts if isinstance(part, str)))
    printed: dict[str, str] = {}
    for verdict in judged(real_kai.tree, cases):
        if verdict["refused"]:
            printed[verdict["refused"]] = "fatal"
        for line in verdict["warnings"]:
            head, _, text = line.partition(": ")
            if head.endswith(LOGGERS):
                printed[text] = "warning"
    tally: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    seen, wrong = set(), []
    for text, level in printed.items():
        line = in_log(text, level)[0]
        names = shown(contract, line)
        message = next((one for pattern, one in known if pattern.fullmatch(text)), None)
        if message is None:
            kind = text.partition(":")[0]
            errors[kind] += 1
            if level != "fatal" or kind not in TRACEBACKS or names:
                wrong.append(f"{line}: {names}, of no message in the code")
            continue
        seen.add(message.text)
        family = family_of(message)
        wanted = [family] if family else []
        # a value with a line break takes the rest of a message with it
        cut = "\n" in text and names == []
        tally[
            f"{level} {'cut by a value' if cut else 'explained' if family else 'needing nothing'}"
        ] += 1
        if names != wanted and not cut:
            wrong.append(f"{line}: {names} instead of {family}")
    counts.append(
        f"messages printed in {len(cases)} cases: {told(tally)}; of {len(seen)} templates; "
        f"errors of Python: {told(errors)}"
    )
    assert wrong == []


def told(tally: Counter[str]) -> str:
    """Return counts as a sentence has them."""
    return ", ".join(f"{count} {name}" for name, count in sorted(tally.items())) or "none"
