"""Asking Telegram about a bot's token."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from kai_ansible.errors import refusal
from kai_ansible.rules.configuration import variable
from kai_ansible.rules.problems import Problem

if TYPE_CHECKING:
    from kai_ansible.report import Screen

SETTING = "TELEGRAM_BOT_TOKEN"
SECONDS = 10


class Telegram:
    """The Bot API, asked at most once about each token (core.telegram.org/bots/api#getme)."""

    def __init__(self, api: str, screen: Screen) -> None:
        """Prepare to ask.

        api: base URL of the Bot API, or of a server of one's own. Raises CommandError when it is
        no web address.
        """
        if not api.startswith(("https://", "http://")):
            raise refusal("--telegram-api", repr(api), "a web address", "mend it")
        self.api = api.rstrip("/")
        self.screen = screen
        self.answers: dict[str, Problem | None] = {}

    def problem_of(self, token: str) -> Problem | None:
        """Return what Telegram has against a token, and tell whose token it is otherwise.

        None also when Telegram cannot be asked, which is told.
        """
        if token not in self.answers:
            self.answers[token] = self._ask(token)
        return self.answers[token]

    def _ask(self, token: str) -> Problem | None:
        # the token is part of the address, which therefore appears in no message
        try:
            address = f"{self.api}/bot{token}/getMe"
            with urllib.request.urlopen(address, timeout=SECONDS) as answer:  # noqa: S310 # checked
                bot = json.load(answer)["result"]
        except urllib.error.HTTPError as error:
            return Problem(
                variable(SETTING),
                f"a token that Telegram refuses ({error.code} {error.reason})",
                "the token of a bot that exists",
                "copy it anew from @BotFather, or leave out --online",
            )
        except (OSError, ValueError, LookupError, TypeError) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            self.screen.notes([f"Telegram could not be asked about the token: {reason}."])
            return None
        self.screen.good(f"Telegram knows the bot as {_named(bot)}.")
        return None


def _named(bot: Any) -> str:
    name = bot.get("first_name") if isinstance(bot, dict) else None
    account = bot.get("username") if isinstance(bot, dict) else None
    return f"@{account} ({name})" if account else "one without a name"
