"""Asking Telegram about a bot's token."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kai_ansible.errors import refusal
from kai_ansible.rules.configuration import variable
from kai_ansible.rules.problems import Problem

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen

SETTING = "TELEGRAM_BOT_TOKEN"
SECONDS = 10


@dataclass(frozen=True)
class Answer:
    """What Telegram says about a token; each is None where the other two tell more.

    bot: whose it is. refused: with which words it was refused. silence: why nobody answered.
    """

    bot: str | None = None
    refused: str | None = None
    silence: str | None = None


def checked_api(api: str) -> str:
    """Return the base URL of the Bot API, or of a server of one's own.

    Raises CommandError when it is no web address.
    """
    if not api.startswith(("https://", "http://")):
        raise refusal("--telegram-api", repr(api), "a web address", "mend it")
    return api.rstrip("/")


def ask(api: str, token: str) -> Answer:
    """Ask the Bot API whose token it is (core.telegram.org/bots/api#getme).

    api: as ``checked_api`` returns it.
    """
    # the token is part of the address, which therefore appears in no message
    address = f"{api}/bot{token}/getMe"
    try:
        with urllib.request.urlopen(address, timeout=SECONDS) as answer:  # noqa: S310 # checked
            return Answer(bot=_named(json.load(answer)["result"]))
    except urllib.error.HTTPError as error:
        return Answer(refused=f"{error.code} {error.reason}")
    except (OSError, ValueError, LookupError, TypeError) as error:
        return Answer(silence=str(getattr(error, "reason", None) or type(error).__name__))


class Telegram:
    """The Bot API, asked by the wizard at most once about each token."""

    def __init__(self, api: str, screen: Screen) -> None:
        """Prepare to ask. Raises CommandError when ``api`` is no web address."""
        self.api = checked_api(api)
        self.screen = screen
        self.answers: dict[str, Answer] = {}

    def problem_of(self, token: str) -> Problem | None:
        """Return what Telegram has against a token, and tell whose token it is otherwise.

        None also when Telegram cannot be asked, which is told.
        """
        if token in self.answers:
            return _problem_of(self.answers[token])
        answer = self.answers[token] = ask(self.api, token)
        if answer.bot:
            self.screen.good(f"Telegram knows the bot as {answer.bot}.")
        if answer.silence:
            self.screen.notes([f"Telegram could not be asked about the token: {answer.silence}."])
        return _problem_of(answer)


def _problem_of(answer: Answer) -> Problem | None:
    if not answer.refused:
        return None
    return Problem(
        variable(SETTING),
        f"a token that Telegram refuses ({answer.refused})",
        "the token of a bot that exists",
        "copy it anew from @BotFather, or leave out --online",
    )


def _named(bot: Any) -> str:
    name = bot.get("first_name") if isinstance(bot, dict) else None
    account = bot.get("username") if isinstance(bot, dict) else None
    return f"@{account} ({name})" if account else "one without a name"
