"""Asking for settings: a question, how it is answered, and how a wrong answer is asked for again.

Owns the prompts, and answers that come by an option or from the environment. Which questions there are
is in `questions`, in which order they come is the business of `init`.
"""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

from bcpoll.cli.words import harmless
from bcpoll.errors import AccessRefused, BcpollError
from bcpoll.logs import protect

if TYPE_CHECKING:
    from bcpoll.config import Settings
    from bcpoll.monitoring.look import Look

Key: TypeAlias = tuple[str, str]
"""A section of the settings and a key in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something to ask for: where the answer goes, the option that answers it, and what the person reads."""

    key: Key
    flag: str
    asks: str
    where: str
    """Where the answer is to be found."""
    is_secret: bool = False
    may_be_empty: bool = False

    @property
    def parameter(self) -> str:
        """What click calls the option's value."""
        return self.flag.removeprefix("--").replace("-", "_")


@dataclass(kw_only=True)
class Talk:
    """The conversation so far."""

    path: Path
    environ: Mapping[str, str]
    flags: dict[Key, str]
    """Answers given by options, each until it is taken or turns out wrong."""
    takes_proposals: bool
    answers: dict[Key, str | None] = field(default_factory=dict)
    store_name: str = ""
    currency: str = ""
    look: "Look | None" = None
    """Both sides, once both have let us in; None where the POS is to be connected later."""
    held: ExitStack = field(default_factory=ExitStack)
    _explained: set[Key] = field(default_factory=set)
    _brought: ExitStack = field(default_factory=ExitStack)
    """What has to go again if there will be no settings."""

    @property
    def draft(self) -> "Settings":
        """The settings as far as they are answered."""
        from bcpoll.config import draft

        return draft(self.answers, self.path, self.environ)

    def answer(self, key: Key) -> str:
        """What was answered; empty where nothing was."""
        return self.answers.get(key) or ""

    def outside(self, question: Question) -> str:
        """The variable or file that answers in place of the settings file; empty where none does."""
        from bcpoll.config import named_outside

        return named_outside(*question.key, self.environ)

    def ask(self, question: Question, *, proposed: str = "", read: Callable[[str], str] = str) -> None:
        """Have a question answered by an option, by the proposal with --yes, or by the person; again while it is wrong.

        `read` makes a choice of what was typed.
        """
        if name := self.outside(question):
            say(f"{question.asks}: from {name}")
            self.answers[question.key] = None
            return
        text = self.flags.pop(question.key, None)
        if text is None and proposed and self.takes_proposals:
            text = proposed
        if text is not None:
            self.answers[question.key] = self._taken(question, text, read)
            return
        self.explain(question)
        self.answers[question.key] = self._typed(question, proposed, read)

    def explain(self, question: Question) -> None:
        """Say what a question is about, once."""
        if question.where and question.key not in self._explained:
            say(f"\n{question.where}\n")
            self._explained.add(question.key)

    def head(self, title: str) -> None:
        """Begin a part of the conversation; in bold where that is wanted and can be shown."""
        is_plain = self.environ.get("NO_COLOR") or self.environ.get("TERM") == "dumb"
        click.echo(f"\n{title}" if is_plain else click.style(f"\n{title}", bold=True), err=True)

    def check(self, question: Question, text: str) -> str:
        """A value as it goes into the settings; UsageError where it is none."""
        from bcpoll.config import problem_with

        text = text.strip()
        if not text and question.may_be_empty:
            return ""
        if question.is_secret:
            protect((text,))
        problem = problem_with(*question.key, text)
        if problem is not None:
            raise click.UsageError(f"{problem.message}. {problem.remedy}")
        return text

    def _taken(self, question: Question, text: str, read: Callable[[str], str]) -> str:
        """An answer by an option or a proposal. A wrong one is asked for where there is somebody to ask."""
        try:
            return self.check(question, read(text))
        except click.UsageError as error:
            told = f"{question.flag}: {error.message}"
            if not is_somebody_there():
                raise click.UsageError(told) from error
            say(told)
            return self._typed(question, "", read)

    def _typed(self, question: Question, proposed: str, read: Callable[[str], str]) -> str:
        def accepted(text: str) -> str:
            try:
                return self.check(question, read(text) if text else text)
            except click.UsageError as error:
                raise click.UsageError(_folded(error.message)) from error

        need_somebody(question.flag)
        typed: str = click.prompt(
            _prompt(question.asks, proposed),
            default="" if question.may_be_empty else (proposed or None),
            show_default=False,
            hide_input=question.is_secret,
            value_proc=accepted,
            err=True,
        )
        return typed

    def confirm(self, question: Question, *, yes: str, no: str) -> None:
        """Have a question answered with yes or no, for one of two values."""
        text = self.flags.pop(question.key, None)
        if text is None and self.takes_proposals:
            text = self.answer(question.key) or no
        if text is None:
            need_somebody(question.flag)
            self.explain(question)
            is_default = self.answer(question.key) == yes
            asked = _prompt(question.asks, "Y/n" if is_default else "y/N")
            text = yes if click.confirm(asked, default=is_default, show_default=False, err=True) else no
        self.answers[question.key] = text

    def ask_again_about(self, error: BcpollError, *questions: Question) -> None:
        """Say what is wrong and let these be asked once more; raises the error where that would be of no use."""
        if not is_somebody_there() or all(map(self._is_fixed, questions)):
            raise error
        hint = _BOTH if isinstance(error, AccessRefused) and error.status == 401 else error.hint
        say(f"\n{error.message}")
        say(f"{hint}\n\nOnce more:\n".lstrip())
        for question in questions:
            self.flags.pop(question.key, None)

    def _is_fixed(self, question: Question) -> bool:
        """Whether asking once more would change nothing."""
        return question.key not in self.answers or bool(self.outside(question))

    @contextmanager
    def leaving_nothing_behind(self) -> Iterator[None]:
        """Let go of both sides at the end, and of what a login left where there are no settings to go with it."""
        with self._brought:
            with self.held:
                yield
            self._brought.pop_all()

    def forget_if_broken_off(self, file: Path) -> None:
        """Have a file taken away again if there will be no settings, unless it was there before."""
        if not file.exists():
            self._brought.callback(lambda: file.unlink(missing_ok=True))


def say(text: str) -> None:
    """Tell the person something; line breaks at its ends are kept."""
    text = harmless(text)
    inner = text.strip("\n")
    click.echo(text.replace(inner, _folded(inner)), err=True)


def say_row(label: str, text: str) -> None:
    """Tell something beside its label; where the terminal is too narrow for it, folded under its own beginning."""
    label, text, width = harmless(label), harmless(text), shutil.get_terminal_size().columns
    if len(label) + len(text) <= width:
        click.echo(f"{label}{text}", err=True)
    elif width > 2 * len(label):
        click.echo(click.wrap_text(text, width, initial_indent=label, subsequent_indent=" " * len(label)), err=True)
    else:
        click.echo(label.rstrip(), err=True)
        click.echo(click.wrap_text(text, width, initial_indent=_INDENT, subsequent_indent=_INDENT), err=True)


_INDENT = " " * 6


def _prompt(asks: str, proposed: str) -> str:
    """A question with its proposal, folded between words where the terminal is narrow."""
    text = harmless(f"{asks} [{proposed}]" if proposed else asks)
    width = shutil.get_terminal_size().columns - len(": ")
    return click.wrap_text(text, width) if len(text) > width else text


def _folded(text: str) -> str:
    """A text folded between words where the terminal is narrow, each of its paragraphs by itself."""
    width = min(shutil.get_terminal_size().columns, 100) - len("Error: ")
    return "\n".join(click.wrap_text(line, width=width) if len(line) > width else line for line in text.split("\n"))


def is_somebody_there() -> bool:
    """Whether questions can be asked at all."""
    return sys.stdin.isatty()


def need_somebody(flag: str) -> None:
    """Where there is nobody to ask, name the option that would have answered."""
    if not is_somebody_there():
        message = "There is nobody to ask. Run it in a terminal, or give"
        raise click.UsageError(f"{message} {flag}; with --yes, whatever can be proposed is taken.")


_BOTH = "The token belongs to one account alone: see whether it and the name of the account were copied whole."


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several things to choose from."""

    name: str
    about: str = ""


def choose(talk: Talk, question: Question, choices: Sequence[Choice], proposed: str, *, listed: bool = True) -> None:
    """Have one of several things chosen, by its number or its name; without a list, the name is typed."""
    names = [choice.name for choice in choices]

    def read(text: str) -> str:
        text = text.strip()
        if not choices:
            return text
        if text.isdecimal() and 1 <= int(text) <= len(names) and text not in names:
            return names[int(text) - 1]
        found = next((name for name in names if name.strip().casefold() == text.casefold()), None)
        if found is None:
            raise click.UsageError(f'"{text}" is none of them. Type a number from 1 to {len(names)}, or a name.')
        return found

    is_asked = question.key not in talk.flags and not (talk.takes_proposals and proposed)
    if choices and listed and is_asked and not talk.outside(question):
        talk.explain(question)
        _list(choices)
    talk.ask(question, proposed=proposed, read=read)


def _list(choices: Sequence[Choice]) -> None:
    width = max(len(choice.name) for choice in choices)
    for number, choice in enumerate(choices, 1):
        label = f"  {number:>2}  "
        if choice.about:
            say_row(f"{label}{choice.name:<{width}}  ", choice.about)
        else:
            say_row(label, choice.name)
