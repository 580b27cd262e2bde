"""Why orders are set aside: one table says what is the matter and what to do about it."""

import pytest

from bcpoll.core.rejected import REASONS, Reason


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_cause_and_a_remedy_in_whole_sentences(reason: Reason) -> None:
    text = REASONS[reason]

    for sentence in (text.cause, text.remedy):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    assert text.hint == f"{text.cause} {text.remedy}"


def test_no_two_reasons_are_told_alike() -> None:
    assert len({text.hint for text in REASONS.values()}) == len(Reason)


def test_the_words_of_a_reason_name_it_however_they_are_joined() -> None:
    """`bcpoll review --for` takes blanks, dashes and capitals alike."""
    assert all(reason.value == " ".join(reason.value.replace("-", " ").replace("_", " ").split()) for reason in Reason)
    assert len({reason.value.casefold() for reason in Reason}) == len(Reason)
