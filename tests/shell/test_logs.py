"""What log lines look like in each place, and that no secret gets into one."""

import io
import json
import logging
import re
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcpoll import logs
from bcpoll.logs import LogFormat

log = logging.getLogger("bcpoll.test")
SECRET = 'hush/"hush"&é'


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def configured(
    fmt: LogFormat = LogFormat.AUTO,
    stream: io.StringIO | None = None,
    level: int = logging.INFO,
    secrets: tuple[str, ...] = (),
    run: str = "",
) -> io.StringIO:
    stream = stream or io.StringIO()
    logs.configure(level=level, stream=stream, environ={}, fmt=fmt, secrets=secrets, run=run)
    return stream


def failed(text: str = "went wrong") -> None:
    log.error("stopped", exc_info=RuntimeError(text))


# --- looks ---


def test_a_terminal_gets_the_time_of_day_and_the_level() -> None:
    stream = configured(stream=Terminal())
    log.warning("order %s set aside: totals differ", 118)
    assert re.fullmatch(r"\d\d:\d\d:\d\d warning: order 118 set aside: totals differ\n", stream.getvalue())


def test_elsewhere_lines_begin_with_date_and_run() -> None:
    stream = configured(run="41")
    log.error("lost the connection")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \[41\] error: lost the connection\n", stream.getvalue())


def test_json_lines_hold_run_order_and_extras() -> None:
    stream = configured(LogFormat.JSON, run="41")
    log.info("sold", extra={"order": 118, "sale": {"id": "a", "lines": (1, 2.5)}, "at": Path("x"), "run": "no"})

    line = json.loads(stream.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "info",
        "run": "41",
        "order": 118,
        "message": "sold",
        "sale": {"id": "a", "lines": [1, 2.5]},
        "at": "x",
    }


def test_json_stays_one_line_for_an_exception() -> None:
    stream = configured(LogFormat.JSON)
    failed()
    line = json.loads(stream.getvalue())
    assert (line["run"], line["order"]) == (None, None)
    assert line["exception"].endswith("RuntimeError: went wrong")


PRIORITIES = [(logging.DEBUG, 7), (logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3), (logging.CRITICAL, 2)]


@pytest.mark.parametrize(("level", "priority"), PRIORITIES)
def test_the_journal_gets_priorities(level: int, priority: int) -> None:
    stream = configured(LogFormat.JOURNAL, level=logging.DEBUG, run="41")
    log.log(level, "hello")
    assert stream.getvalue() == f"<{priority}>[41] hello\n"


def test_the_journal_gets_the_priority_on_every_line_of_a_traceback() -> None:
    stream = configured(LogFormat.JOURNAL)
    failed()
    assert {line[:3] for line in stream.getvalue().splitlines()} == {"<3>"}


@pytest.mark.parametrize("fmt", [LogFormat.TERMINAL, LogFormat.PLAIN, LogFormat.JOURNAL])
def test_a_line_begins_with_its_order_unless_it_names_it(fmt: LogFormat) -> None:
    stream = configured(fmt)
    log.warning("no such tax", extra={"order": 118})
    log.warning("order 118 set aside", extra={"order": 118})
    assert stream.getvalue().count("order 118") == 2
    assert "order 118: no such tax" in stream.getvalue()


@pytest.mark.parametrize("fmt", [LogFormat.TERMINAL, LogFormat.PLAIN])
def test_what_a_shopper_wrote_cannot_pass_for_a_line_or_steer_the_terminal(fmt: LogFormat) -> None:
    stream = configured(fmt)
    log.warning("message %s", "hello\n12:00:00 error: forged\r\x1b[2J")
    assert stream.getvalue().endswith("hello\n    12:00:00 error: forged\\x0d\\x1b[2J\n")


def test_nor_can_it_in_json_which_still_says_the_same() -> None:
    stream = configured(LogFormat.JSON)
    log.warning("\x1b[2J \x9b31m \x7f")
    assert {letter for letter in stream.getvalue() if not letter.isprintable()} == {"\n"}
    assert json.loads(stream.getvalue())["message"] == "\x1b[2J \x9b31m \x7f"


def test_a_stack_is_shown_on_request() -> None:
    stream = configured()
    log.warning("here", stack_info=True)
    assert "Stack (most recent call last)" in stream.getvalue()


# --- which look, where ---


def stream_name(file: Path) -> str:
    return f"{file.stat().st_dev}:{file.stat().st_ino}"


JOURNALS: list[tuple[Callable[[Path], str], str]] = [
    (stream_name, "<4>hello\n"),
    (lambda file: "1:2", "Z warning: hello\n"),
    (lambda file: "", "Z warning: hello\n"),
]


@pytest.mark.parametrize(("named", "expected"), JOURNALS, ids=["journal", "another stream", "not named"])
def test_only_the_journals_own_stream_gets_priorities(
    tmp_path: Path, named: Callable[[Path], str], expected: str
) -> None:
    with (tmp_path / "stream").open("w") as stream:
        environ = {"JOURNAL_STREAM": named(tmp_path / "stream")}
        logs.configure(level=logging.INFO, stream=stream, environ=environ)
        log.warning("hello")
    assert (tmp_path / "stream").read_text().endswith(expected)


def test_a_stream_without_a_file_is_not_the_journal() -> None:
    stream = io.StringIO()
    logs.configure(level=logging.INFO, stream=stream, environ={"JOURNAL_STREAM": "1:2"})
    log.warning("hello")
    assert stream.getvalue().endswith("Z warning: hello\n")


# --- what is let through ---


def test_own_records_go_by_the_level_and_others_must_be_warnings() -> None:
    stream = configured(level=logging.DEBUG)
    log.debug("ours")
    for name in ("urllib3.connectionpool", "apscheduler.scheduler", "werkzeug"):
        logging.getLogger(name).info("chatter")
        logging.getLogger(name).warning("%s warns", name)
    assert "ours" in stream.getvalue()
    assert stream.getvalue().count(" warns") == 3
    assert "chatter" not in stream.getvalue()


def test_setting_up_twice_does_not_double_the_lines() -> None:
    first, second = configured(), configured()
    log.warning("once")
    assert (first.getvalue(), second.getvalue().count("once")) == ("", 1)


def test_handlers_of_others_are_left_alone() -> None:
    other = logging.NullHandler()
    logging.getLogger().addHandler(other)
    configured()
    assert other in logging.getLogger().handlers


def test_warnings_of_python_become_records() -> None:
    stream = configured(LogFormat.JSON)
    warnings.warn("old ways", stacklevel=1)
    assert "old ways" in json.loads(stream.getvalue())["message"]


def test_a_run_is_named_for_its_length_and_on_every_thread() -> None:
    stream = configured(LogFormat.JOURNAL)
    with logs.of_run("42"):
        thread = threading.Thread(target=log.warning, args=("hello",))
        thread.start()
        thread.join()
    log.warning("over")
    assert stream.getvalue() == "<4>[42] hello\n<4>over\n"


def test_what_happens_for_an_order_is_named_for_it_on_its_own_thread_alone() -> None:
    stream = configured(LogFormat.JSON, level=logging.DEBUG)
    with logs.about_order(118):
        log.debug("GET /orders/118")
        log.warning("another one", extra={"order": 119})
        with logs.about_order(0):
            log.debug("GET /products")
        thread = threading.Thread(target=log.debug, args=("elsewhere",))
        thread.start()
        thread.join()
    log.debug("over")

    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(one["message"], one["order"]) for one in told] == [
        ("GET /orders/118", 118),
        ("another one", 119),
        ("GET /products", None),
        ("elsewhere", None),
        ("over", None),
    ]


def test_a_line_about_an_order_whose_number_begins_like_another_names_both() -> None:
    stream = configured()
    log.warning("follows order 118", extra={"order": 11})
    assert "order 11: follows order 118" in stream.getvalue()


def test_a_record_whose_arguments_do_not_fit_is_still_shown() -> None:
    stream = configured()
    log.warning("%d orders", "three")
    assert "%d orders ('three',)" in stream.getvalue()


# --- secrets ---

FORMS = [SECRET, "hush%2F%22hush%22%26%C3%A9", json.dumps(SECRET)[1:-1]]
SAYINGS: dict[str, Callable[[], object]] = {
    "message": lambda: log.warning(f"token {SECRET}"),
    "argument": lambda: log.warning("token %s", SECRET),
    "repr of an argument": lambda: log.warning("token %r", [SECRET]),
    "named arguments": lambda: log.warning("%(token)s", {"token": SECRET}),
    "in an address": lambda: log.warning(FORMS[1]),
    "in a body": lambda: log.warning(FORMS[2]),
    "exception": lambda: failed(f"refused: {SECRET}"),
    "extra": lambda: log.warning("x", extra={"token": SECRET}),
    "inside an extra": lambda: log.warning("x", extra={"headers": {SECRET: [SECRET, {"a": (SECRET,)}]}}),
    "object in an extra": lambda: log.warning("x", extra={"error": RuntimeError(SECRET)}),
    "bad arguments": lambda: log.warning("%d", SECRET),
    "other package": lambda: logging.getLogger("urllib3").error("token %s", SECRET),
    "debug": lambda: log.debug("token %s", SECRET),
}


@pytest.mark.parametrize("say", SAYINGS.values(), ids=SAYINGS)
@pytest.mark.parametrize("fmt", [one for one in LogFormat if one is not LogFormat.AUTO])
def test_no_secret_gets_into_a_line(fmt: LogFormat, say: Callable[[], object]) -> None:
    stream = configured(fmt, level=logging.DEBUG, secrets=(SECRET, ""))
    say()
    assert stream.getvalue()
    assert "hush" not in stream.getvalue()


def test_no_secret_reaches_a_handler_further_on() -> None:
    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record)

    kept: list[logging.LogRecord] = []
    configured(secrets=(SECRET,))
    logging.getLogger().addHandler(Keeping())
    failed(SECRET)
    assert "hush" not in str([vars(record) for record in kept])


def test_a_secret_that_holds_another_is_taken_out_whole() -> None:
    stream = configured(secrets=("abc", "abcdef"))
    log.warning("abcdef abc")
    assert stream.getvalue().endswith(": *** ***\n")


def test_a_token_that_was_renewed_is_taken_out_too() -> None:
    stream = configured(secrets=("first",))
    logs.protect(["second"])
    log.warning("first second third")
    assert stream.getvalue().endswith("*** *** third\n")


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=8), st.text(), st.text())
def test_whatever_the_secret_and_around_it_it_is_taken_out(secret: str, before: str, after: str) -> None:
    redactor = logs.Redactor()
    redactor.protect([secret])
    assert secret not in str(redactor.redacted(before + secret + after)).replace(logs.MASK, "")


def test_a_handler_that_fails_shows_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    stream = configured(secrets=(SECRET,))
    stream.close()
    log.warning("token %s", SECRET)
    assert "hush" not in capsys.readouterr().err


# --- people ---

ADDRESS = "ada@example.com"
ABOUT_ADA: dict[str, Callable[[], object]] = {
    "message": lambda: log.warning(f"customer email:{ADDRESS}"),
    "argument": lambda: log.info("refused: %r", {"email": ADDRESS}),
    "exception": lambda: failed(f"no answer about {ADDRESS}"),
    "extra": lambda: log.error("x", extra={"body": {ADDRESS: [ADDRESS]}}),
}


@pytest.mark.parametrize("say", ABOUT_ADA.values(), ids=ABOUT_ADA)
def test_above_debug_level_nobodys_address_gets_into_a_line_nor_into_what_is_kept_of_them(
    say: Callable[[], object],
) -> None:
    stream = configured(LogFormat.JSON)
    with logs.kept(9) as kept:
        say()
    assert logs.MASK in stream.getvalue()
    assert ADDRESS not in stream.getvalue() + "".join(kept)


def test_who_looks_for_a_fault_sees_addresses() -> None:
    stream = configured(level=logging.DEBUG)
    log.debug("customer %s", ADDRESS)
    assert ADDRESS in stream.getvalue()
