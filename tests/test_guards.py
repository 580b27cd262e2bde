"""Each guard of conftest.py trips when it should."""

import logging
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import settings

OUTSIDE = ("192.0.2.1", 80)  # an address set aside for documentation


def test_a_connection_to_another_machine_is_refused() -> None:
    with socket.socket() as plug, pytest.raises(AssertionError, match=r"this machine, not to .*192\.0\.2\.1"):
        plug.connect(OUTSIDE)


def test_a_quiet_connection_to_another_machine_is_refused() -> None:
    with socket.socket() as plug, pytest.raises(AssertionError, match="this machine"):
        plug.connect_ex(OUTSIDE)


def test_looking_up_a_name_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"this machine, not to .*api\.example\.com"):
        socket.create_connection(("api.example.com", 443))


def test_this_machine_may_be_spoken_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as plug:
        assert plug.getpeername() == server.getsockname()


def test_sleeping_is_refused() -> None:
    with pytest.raises(AssertionError, match="pass in a clock"):
        time.sleep(0)


def test_a_child_process_may_be_waited_for() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(timeout=0.01)
        child.communicate(b"go on\n", timeout=30)
    assert child.returncode == 0


PROBE = """
import logging, os
from pathlib import Path

def test_what_a_test_sees():
    assert not [name for name in os.environ if name.startswith("BCPOLL_") and name != "BCPOLL_SHARED"]
    assert "CREDENTIALS_DIRECTORY" not in os.environ
    assert Path.home() != Path("/somewhere")

def test_that_leaves_logging_changed():
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("bcpoll").setLevel(logging.DEBUG)

def test_that_comes_after_it():
    assert not [one for one in logging.getLogger().handlers if type(one) is logging.NullHandler]
    assert logging.getLogger("bcpoll").level == logging.NOTSET
"""


def test_settings_home_and_logging_of_the_caller_do_not_reach_a_test(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(Path(__file__).with_name("conftest.py").read_text())
    pytester.makepyfile(PROBE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BCPOLL_POS__USER", "somebody")
        patch.setenv("CREDENTIALS_DIRECTORY", "/somewhere")
        patch.setenv("HOME", "/somewhere")
        pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=3)


def test_home_is_an_empty_folder() -> None:
    assert list(Path.home().iterdir()) == []
    assert Path.home() == Path(os.environ["HOME"])


@pytest.mark.parametrize("name", ["dev", "ci", "deep"])
def test_a_hypothesis_profile_exists(name: str) -> None:
    assert settings.get_profile(name).deadline is None


def test_the_root_logger_has_no_handler_of_ours() -> None:
    assert not [one for one in logging.getLogger().handlers if type(one).__module__.startswith("bcpoll")]
