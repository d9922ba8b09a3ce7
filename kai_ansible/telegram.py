"""Check a bot token with Telegram."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from kai_ansible.errors import usage_error
from kai_ansible.rules.problems import Problem
from kai_ansible.rules.variable_names import variable
from kai_ansible.terminal.screen import Screen

SETTING = "TELEGRAM_BOT_TOKEN"
SECONDS = 10


@dataclass(frozen=True)
class Answer:
    """Telegram's answer about a token; only one of the three is set.

    bot: the bot of the token. refused: why Telegram rejects it. silence: why there is no answer.
    """

    bot: str | None = None
    refused: str | None = None
    silence: str | None = None


def checked_api(api: str) -> str:
    """Return the base URL of the Bot API without a slash at the end.

    Raises CommandError if it is not a web address.
    """
    if not api.startswith(("https://", "http://")):
        raise usage_error("--telegram-api", repr(api), "a web address", "correct it")
    return api.rstrip("/")


def ask(api: str, token: str) -> Answer:
    """Ask the Bot API which bot a token belongs to (core.telegram.org/bots/api#getme).

    api: as ``checked_api`` returns it.
    """
    # the address contains the token, so no message may contain the address
    address = f"{api}/bot{token}/getMe"
    try:
        with urllib.request.urlopen(address, timeout=SECONDS) as answer:  # noqa: S310 # checked
            return Answer(bot=_named(json.load(answer)["result"]))
    except urllib.error.HTTPError as error:
        return Answer(refused=f"{error.code} {error.reason}")
    except (OSError, ValueError, LookupError, TypeError) as error:
        return Answer(silence=str(getattr(error, "reason", None) or type(error).__name__))


class Telegram:
    """The Bot API for the wizard, which asks at most once about each token."""

    def __init__(self, api: str, screen: Screen) -> None:
        """Check the address. Raises CommandError if ``api`` is not a web address."""
        self.api = checked_api(api)
        self.screen = screen
        self.answers: dict[str, Answer] = {}

    def problem_of(self, token: str) -> Problem | None:
        """Return the problem that Telegram reports for a token, None if it reports none.

        Print the bot of the token, or why Telegram could not be reached.
        """
        if token not in self.answers:
            answer = self.answers[token] = ask(self.api, token)
            if answer.bot:
                self.screen.good(f"Telegram bot of this token: {answer.bot}")
            if answer.silence:
                self.screen.notes(
                    [f"Could not reach Telegram, so the token was not checked: {answer.silence}."]
                )
        refused = self.answers[token].refused
        if not refused:
            return None
        return Problem(
            variable(SETTING),
            f"a token that Telegram rejects ({refused})",
            "the token of an existing bot",
            "copy it again from @BotFather, or leave out --online",
        )


def _named(bot: Any) -> str:
    name = bot.get("first_name") if isinstance(bot, dict) else None
    account = bot.get("username") if isinstance(bot, dict) else None
    return f"@{account} ({name})" if account else "a bot without a name"
