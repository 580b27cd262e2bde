"""The guard that looks for tokens and people in every log line and every error of the suite does find them."""

import io
import logging
from collections.abc import Callable

import pytest

from bcpoll import logs
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


@pytest.mark.parametrize(("level", "is_noticed"), [(logging.DEBUG, False), (logging.INFO, True)])
def test_who_bought_is_noticed_above_debug_level(told_tokens: list[str], level: int, is_noticed: bool) -> None:  # noqa: FBT001
    logs.configure(level=logging.DEBUG, stream=io.StringIO(), environ={})

    logging.getLogger("bcpoll.test").log(level, "sold to Ada Teacup")

    was_noticed = bool(told_tokens)
    told_tokens.clear()
    assert was_noticed is is_noticed
