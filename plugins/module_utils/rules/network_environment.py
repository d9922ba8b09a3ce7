# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the network that pip, uv and git get: proxies, certificates, time limits.

sudo and this role drop the environment of the operator, so that a build does not depend on it.
Variables that change what is built are refused; kai_install_index_url names the index.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from .env_file import fault_of_key, fault_of_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# those of curl(1), which git uses, of pip's options, of uv and of git(1) that concern the network
_KNOWN = re.compile(
    r"((https?|ftp|all|no|socks5?)_proxy|HTTPS?_PROXY|FTP_PROXY|ALL_PROXY|NO_PROXY|SOCKS5?_PROXY"
    r"|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NETRC|RES_OPTIONS|KRB5\w*"
    r"|PIP_(CERT|CLIENT_CERT|PROXY|TRUSTED_HOST|(DEFAULT_)?TIMEOUT|RETRIES|RESUME_RETRIES"
    r"|KEYRING_PROVIDER)"
    r"|UV_(HTTP_\w+|REQUEST_TIMEOUT|UPLOAD_HTTP_\w+|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS"
    r"|CONCURRENT_\w+|KEYRING_PROVIDER|INDEX_\w+_(USERNAME|PASSWORD))"
    r"|GIT_(SSH|SSH_COMMAND|SSH_VARIANT|SSL_\w+|HTTP_\w+|PROXY_SSL_\w+|PROXY_COMMAND))"
)
EXPECTED = (
    "a mapping of variables of the network for pip, uv and git to text, like HTTPS_PROXY, "
    "NO_PROXY, SSL_CERT_FILE, PIP_CERT, UV_HTTP_TIMEOUT or GIT_SSL_CAINFO"
)
_HIDDEN = re.compile(r"PASSWORD|TOKEN|SECRET", re.IGNORECASE)


def read_environment(raw: Any) -> tuple[dict[str, str], str]:
    """Return variables by name, and why ``raw`` is no such mapping, empty when it is one."""
    if not isinstance(raw, dict):
        return {}, "is no mapping"
    found = {}
    for key, value in raw.items():
        name = str(key)
        if not _KNOWN.fullmatch(name):
            return {}, f"has {name}, which is not of the network"
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            return {}, f"has {name}, whose value is not text; put it in quotes"
        fault = fault_of_key(name) or fault_of_value(str(value))
        if fault:
            return {}, f"has {name}, which {fault}"
        found[name] = str(value)
    return found, ""


def as_words(environment: Mapping[str, str]) -> list[str]:
    """Return variables as NAME=value, as a module takes them: each word as a whole is hidden."""
    return [f"{name}={value}" for name, value in sorted(environment.items())]


def of_words(words: Iterable[str]) -> dict[str, str]:
    """Return the variables of ``as_words``."""
    pairs = (word.partition("=") for word in words)
    return {name: value for name, _equals, value in pairs}


def secrets_of(environment: Mapping[str, str]) -> set[str]:
    """Return the secrets among variables: logins in URLs, and values that are named as secrets."""
    found = set()
    for name, value in environment.items():
        # the words of the variable are short, and occur elsewhere
        found |= logins_in(value)
        if _HIDDEN.search(name):
            found.add(value)
    return found


def logins_in(text: str) -> set[str]:
    """Return the secret parts of the URLs in a text, as written and decoded."""
    found = set()
    for word in text.split():
        url = word if "://" in word else f"//{word}"
        try:
            login = urlsplit(url).netloc.rpartition("@")[0]
        except ValueError:
            continue
        name, colon, password = login.partition(":")
        secret = password if colon else name
        found |= {part for part in (login, secret, unquote(secret)) if part}
    return found
