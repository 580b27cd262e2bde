"""The example of the settings filled in: answers in their places, everything else as it was."""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcpoll import config
from bcpoll.config import example, problem_with

ROOT = Path(__file__).parents[2]

ANSWERS: Mapping[tuple[str, str], str | None] = {
    ("bigcommerce", "store_hash"): "abc123",
    ("bigcommerce", "access_token"): "store-token",
    ("pos", "domain_prefix"): "myshop",
    ("pos", "access_token"): "pos-token",
    ("pos", "register"): 'Till "2"',
    ("pos", "user"): "web",
    ("payments", "default"): "Card",
    ("payments", "gift_certificate"): "Voucher",
    ("payments", "Cash on Delivery"): "Cash",
    ("payments", "Bank\\Deposit"): "Transfer",
    ("taxes", "default"): "GST",
    ("sync", "fulfillment"): "track",
}


def table(text: str) -> dict[str, dict[str, str]]:
    return tomllib.loads(text)


def test_every_answer_is_read_back_from_its_section() -> None:
    made = table(example.filled(ANSWERS))

    assert {key: made[key[0]][key[1]] for key in ANSWERS} == ANSWERS
    assert sum(map(len, made.values())) == len(ANSWERS)


def test_nothing_but_the_answers_differs_from_the_example() -> None:
    changed = [
        line
        for line in difflib.ndiff(example.text().splitlines(), example.filled(ANSWERS).splitlines())
        if line[:2] in ("- ", "+ ")
    ]

    taken_out = [line for line in changed if line[0] == "-"]
    put_in = [line for line in changed if line[0] == "+"]
    assert len(put_in) == len(ANSWERS)
    assert taken_out[:3] == [f"- {line}" for line in example.text().splitlines()[:3]]
    assert len(taken_out) == 3 + len(ANSWERS) - 1


def test_a_key_without_an_answer_is_commented_out() -> None:
    made = example.filled({**ANSWERS, ("pos", "access_token"): None, ("pos", "client_id"): "mine"})

    assert '\n# access_token = "<access token>"\n' in made
    assert table(made)["pos"]["client_id"] == "mine"
    assert "access_token" not in table(made)["pos"]


def test_a_further_key_where_none_may_be_is_a_bug() -> None:
    with pytest.raises(LookupError, match=r"\[money\] takes no further keys"):
        example.filled({("money", "colour"): "red"})


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(st.characters(exclude_categories=["Cs"])))
def test_whatever_a_method_is_called_it_comes_back(method: str, name: str) -> None:
    made = table(example.filled({("payments", f"{method} (paid)"): name}))

    assert made["payments"][f"{method} (paid)"] == name


def test_the_example_at_the_root_is_the_one_that_is_installed() -> None:
    assert (ROOT / "config.example.toml").read_text() == example.text()


# --- settings in the making ------------------------------------------------------------------------------------------


def test_a_draft_has_what_was_answered_and_stands_for_nothing_else(tmp_path: Path) -> None:
    draft = config.draft({("pos", "domain_prefix"): "MyShop"}, tmp_path / "config.toml", {})

    assert draft.pos.domain_prefix == "myshop"
    assert draft.pos.register_name == "?"
    assert draft.checkpoint.path == tmp_path / "bcpoll.db"


def test_a_draft_takes_a_token_from_the_environment(tmp_path: Path) -> None:
    environ = {"BCPOLL_POS__ACCESS_TOKEN": "from-outside"}
    draft = config.draft({("pos", "access_token"): None}, tmp_path / "config.toml", environ)

    assert draft.pos.access_token is not None
    assert draft.pos.access_token.get_secret_value() == "from-outside"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (("bigcommerce", "store_hash"), "abc/123", '"abc/123" is not a store hash'),
        (("bigcommerce", "access_token"), "two words", "is empty, or holds blanks or characters that no token has"),
        (("pos", "domain_prefix"), "my shop", '"my shop" is not a domain prefix'),
        (("pos", "client_id"), "", "is empty"),
        (("pos", "redirect_url"), "http://shop.example", '"http://shop.example" would send the code unencrypted'),
        (("sync", "unpaid"), "later", '"later" is not one of the choices'),
    ],
)
def test_a_value_is_judged_by_itself(key: tuple[str, str], value: str, message: str) -> None:
    problem = problem_with(*key, value)

    assert problem is not None
    assert problem.message == message
    assert problem.remedy


@pytest.mark.parametrize("key", [key for key, value in ANSWERS.items() if value])
def test_a_right_value_has_no_problem(key: tuple[str, str]) -> None:
    assert problem_with(*key, ANSWERS[key] or "") is None


def test_where_a_key_is_set_outside_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "pos_access_token").write_text("secret")
    environ = {"BCPOLL_BIGCOMMERCE__ACCESS_TOKEN": "secret", "CREDENTIALS_DIRECTORY": str(tmp_path)}

    assert config.named_outside("bigcommerce", "access_token", environ) == "BCPOLL_BIGCOMMERCE__ACCESS_TOKEN"
    assert config.named_outside("pos", "access_token", environ) == str(tmp_path / "pos_access_token")
    assert config.named_outside("pos", "client_secret", environ) == ""


@pytest.mark.parametrize(
    ("path", "environ", "file"),
    [
        (None, {}, "config.toml"),
        (None, {"BCPOLL_CONFIG": "shop.toml"}, "shop.toml"),
        (Path("~/shop.toml"), {"BCPOLL_CONFIG": "other.toml", "HOME": "/home/ada"}, "/home/ada/shop.toml"),
    ],
)
def test_where_settings_are_to_be_written(path: Path | None, environ: Mapping[str, str], file: str) -> None:
    assert config.file_to_write(path, environ) == Path(file)
