"""The guard that looks for tokens in every log line and every error of the suite does find them."""

import logging
from collections.abc import Callable

import pytest

from bcpoll.errors import AccessRefused, Problem, SettingsError, Unreachable

WRONG = Problem("[pos] client_secret", "client-secret is short", "Write it whole.")


def logged(text: str) -> None:
    logging.getLogger("bcpoll.test").warning("sent %s", text)


@pytest.mark.parametrize(
    "tell",
    [
        lambda: logged("Authorization: Bearer pos-token"),
        lambda: logged("access-3-of-the-sandbox"),
        lambda: AccessRefused("refused store-token"),
        lambda: Unreachable("away", hint="https://host/?code=code-1-of-the-sandbox"),
        lambda: SettingsError([WRONG], source="a file"),
    ],
    ids=["a log line", "a renewed token", "an error", "a hint", "a problem of the settings"],
)
def test_a_token_that_is_told_is_noticed(told_tokens: list[str], tell: Callable[[], object]) -> None:
    tell()

    was_noticed = bool(told_tokens)
    told_tokens.clear()
    assert was_noticed


def test_what_holds_no_token_is_not(told_tokens: list[str]) -> None:
    logged("a token")
    AccessRefused("BigCommerce refused the token (401)", hint="Put a valid token into [pos] access_token.")

    assert told_tokens == []
