"""Make the first user of a Workshop without Telegram, whom Kai 2.1 makes by a plan alone."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kai_ansible.ansible.collection import features_of
from kai_ansible.rules.bootstrap_plan import BadPlan, BootstrapPlan, decode, encode
from kai_ansible.rules.principal_ids import profile_of_key
from kai_ansible.rules.source_features import first_user_setting
from kai_ansible.rules.variable_names import variable
from kai_ansible.wizard.asking import MADE
from kai_ansible.wizard.draft import USERS, Draft
from kai_ansible.wizard.line_choice import deciding

# as Kai's own wizard calls the user
_KEY = "initial-admin"
ADMIN = "admin"
TELEGRAM, PROFILE = "telegram_id", "runtime_profile_id"


# what each source that was read has, by the variables that name it
Features = dict[str, frozenset[str]]


def is_first_of_workshop(draft: Draft, read: Features) -> bool:
    """Return whether the source makes its first user by a plan.

    read: the sources that were read; one that is not among them is read, and added.
    """
    name = first_user_setting(draft.configuration())
    if name is None:
        # nearly everybody: a git source is not fetched
        return False
    source = json.dumps(deciding(draft.variables), default=str)
    if source not in read:
        read[source] = features_of(draft.variables)
    return draft.contract.settings[name].feature in read[source]


def settle_first_user(draft: Draft, read: Features) -> None:
    """Give the first user without Telegram the plan, and the plan the name of that user.

    A plan that is not of this run stays: Kai does not start with another one than the first.
    read: as for ``is_first_of_workshop``.
    """
    if draft.contract.workshop is None:
        return
    name, users = variable(draft.contract.workshop.first_user_setting), draft.users
    text = draft.get(name)
    index = next((at for at, one in enumerate(users) if _is_unknown(one)), None)
    if index is not None and is_first_of_workshop(draft, read):
        plan = _plan_of(text) or _made(users[index])
        if plan and all(one.get(PROFILE) != plan.runtime_profile_id for one in users):
            users[index] = {**users[index], PROFILE: plan.runtime_profile_id}
            draft.set(USERS, users)
            if not text:
                draft.set(name, encode(plan), MADE)
    elif text and draft.origin(name) == MADE:
        plan = _plan_of(text)
        for one in users:
            if plan and one.get(PROFILE) == plan.runtime_profile_id and _named(one):
                draft.set(name, encode(replace(plan, display_name=_named(one))), MADE)


def _is_unknown(user: Mapping[str, Any]) -> bool:
    return not (user.get(TELEGRAM) or user.get(PROFILE))


def _named(user: Mapping[str, Any]) -> str:
    return str(user.get("name") or "").strip()


def _made(user: Mapping[str, Any]) -> BootstrapPlan | None:
    workshop = f"wsp_{uuid.uuid4().hex}"
    profile = profile_of_key(workshop, _KEY)
    return BootstrapPlan(workshop, _named(user), profile, _KEY, ADMIN) if _named(user) else None


def _plan_of(text: Any) -> BootstrapPlan | None:
    try:
        return decode(str(text)) if text else None
    except BadPlan:
        # the check names it
        return None
