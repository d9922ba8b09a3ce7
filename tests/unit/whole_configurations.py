"""Whole configurations, in every form that their answers may have, and what the bot has to read."""

from typing import Any

from hypothesis import strategies as st
from samples import CODEX_MODELS, SECRET, TOKEN, user

from kai_ansible.rules.contract import Contract, Setting
from tests.conftest import CONTRACT

line_ends = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\x00"
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=line_ends), min_size=1)
directories = st.sampled_from(["/srv", "/srv/a b", "/var/tmp/ä=#%", "/data/x:y"])
booleans = st.sampled_from(
    [(True, "true"), ("yes", "true"), (1, "true"), (False, "false"), ("Off", "false")]
)
SPECIAL: dict[str, st.SearchStrategy[tuple[Any, str]]] = {
    "TELEGRAM_BOT_TOKEN": st.from_regex(r"[0-9]{5,10}:[A-Za-z0-9_-]{30,40}", fullmatch=True).map(
        lambda text: (text, text)
    ),
    "TELEGRAM_WEBHOOK_SECRET": st.from_regex(r"[A-Za-z0-9_-]{1,256}", fullmatch=True).map(
        lambda text: (text, text)
    ),
    "WEBHOOK_SECRET": st.from_regex(r"[!-~]([ -~]*[!-~])?", fullmatch=True).map(
        lambda text: (text, text)
    ),
    "PR_REVIEW_MODEL_CODEX": st.sampled_from(CODEX_MODELS).map(lambda name: (name.upper(), name)),
    "ISSUE_TRIAGE_MODEL_CODEX": st.sampled_from(CODEX_MODELS).map(lambda name: (name, name)),
    "CODEX_AUTH_MODE": st.just(("api_key", "api_key")),
    "AGENT_BACKEND": st.just((" Goose", "goose")),
    "LLM_PROVIDER": st.just(("ollama", "ollama")),
    "TELEGRAM_TRANSPORT": st.just(("Webhook ", "webhook")),
    "MEMORY_ENABLED": st.just(("on", "true")),
}
NEEDED = ("TELEGRAM_BOT_TOKEN", "WEBHOOK_SECRET", "AGENT_BACKEND", "LLM_PROVIDER", "DEFAULT_MODEL")
# with these every setting of the contract reaches the bot
EVERYBODY = [
    user(
        number,
        agent_backend=backend,
        model=CONTRACT.surfaces[surface].default or "vendor/x",
        **({"llm_provider": provider} if CONTRACT.backends[backend].names_provider else {}),
        **({"os_user": "alice"} if backend == "codex" else {}),
    )
    for number, (backend, provider, surface) in enumerate(
        (
            (backend, provider, surface)
            for backend, entry in CONTRACT.backends.items()
            for provider, surface in entry.surfaces.items()
        ),
        start=1,
    )
]
KEYS = tuple(one.key for one in CONTRACT.providers.values() if one.key)


def answers_of_type(spec: Setting) -> st.SearchStrategy[tuple[Any, str]]:
    """Return answers to a setting, each with the text that the bot has to read."""
    above = -1000 if spec.exclusive_minimum is None else spec.exclusive_minimum
    low = above + 0.25 if spec.minimum is None else spec.minimum
    high = low + 5000 if spec.maximum is None else spec.maximum
    kind = spec.type
    if kind == "boolean":
        return booleans
    if kind == "integer":
        numbers = st.integers(int(low), int(high)).filter(lambda n: n or not spec.nonzero)
        return numbers.flatmap(lambda n: st.sampled_from([(n, f"{n}"), (f" {n} ", f"{n}")]))
    if kind == "number":
        quarters = st.integers(int(low * 4), int(high * 4)).filter(lambda n: n / 4 >= low)
        return quarters.map(lambda n: (n / 4, f"{n / 4}"))
    if kind == "choice":
        return st.sampled_from(spec.choices).map(lambda name: (name.upper(), name))
    if kind == "url":
        return st.just(("https://kai.example/?a=b#c", "https://kai.example/?a=b#c"))
    if kind == "account":
        return st.just(("carol", "carol"))
    if kind in ("path", "directory"):
        return directories.map(lambda path: (path, path))
    if kind == "directory_list":
        lists = st.lists(directories, min_size=1)
        return lists.flatmap(
            lambda paths: st.sampled_from(
                [(paths, ",".join(paths)), (" , ".join(paths), ",".join(paths))]
            )
        )
    return texts.map(lambda text: (text, text))


@st.composite
def answers_to_everything(
    draw: st.DrawFn, contract: Contract
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return answers by env key, and the environment that they mean; EVERYBODY uses the bot.

    Any setting of the contract may be among them.
    """
    answers: dict[str, Any] = {"WEBHOOK_SECRET": SECRET, "TELEGRAM_BOT_TOKEN": TOKEN}
    expected = {"WEBHOOK_PORT": "8080", "VOICE_ENABLED": "false", "TTS_ENABLED": "false"}
    for key, spec in contract.settings.items():
        wanted = key in (*NEEDED, *KEYS, "TELEGRAM_TRANSPORT", "MEMORY_ENABLED", "CODEX_AUTH_MODE")
        if spec.written == "never" or not (wanted or draw(st.booleans())):
            continue
        answers[key], expected[key] = draw(
            SPECIAL[key] if key in SPECIAL else answers_of_type(spec), label=key
        )
    answers.setdefault("TELEGRAM_WEBHOOK_URL", "https://kai.example/")
    expected.setdefault("TELEGRAM_WEBHOOK_URL", "https://kai.example/")
    # a name that the contract knows is compared in lower case, any other as it was typed
    answers["DEFAULT_MODEL"], expected["DEFAULT_MODEL"] = draw(
        st.sampled_from([("Vendor/X", "Vendor/X"), (" llama4:8b", "llama4:8b"), ("OPUS", "opus")])
    )
    return answers, expected
