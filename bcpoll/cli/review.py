"""`bcpoll review`: the orders that were set aside as a work list, and what a person says about them."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from bcpoll.cli.options import Options, id_of, pass_options, print_json
from bcpoll.cli.signals import stopping_on_signals
from bcpoll.cli.words import say

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from bcpoll.checkpoint import Checkpoint, Intent, ReviewItem
    from bcpoll.config import Settings
    from bcpoll.core.rejected import Reason

_SET_ASIDE = 3

_ITEM_ID = id_of("an item", "They stand in bcpoll review list.")


@click.group(epilog="Example: bcpoll review list")
def review() -> None:
    """List, show, retry or dismiss the orders that were set aside."""


def _reason(_ctx: click.Context, _param: click.Parameter, text: str | None) -> "Reason | None":
    """Read the value of `--for` as a reason, however its words are joined."""
    import difflib

    from bcpoll.core.rejected import Reason

    if text is None:
        return None
    wanted = " ".join(text.replace("-", " ").replace("_", " ").split()).casefold()
    known = {reason.value.casefold(): reason for reason in Reason}
    if wanted in known:
        return known[wanted]
    near = difflib.get_close_matches(wanted, known, n=1)
    meant = f"Did you mean {near[0]!r}?" if near else "They stand in the titles of bcpoll review list."
    raise click.BadParameter(f"{text!r} is no reason why orders are set aside. {meant}")


def _reasons(_ctx: click.Context, _param: click.Parameter, typed: str) -> "list[CompletionItem]":
    """What a shell completes after `--for`: reasons in one word each, for not every shell quotes what it completes."""
    from click.shell_completion import CompletionItem

    from bcpoll.core.rejected import REASONS

    causes = {reason.value.replace(" ", "-"): text.cause for reason, text in REASONS.items()}
    begun = [word for word in causes if word.casefold().startswith(typed.casefold())]
    return [CompletionItem(word, help=causes[word]) for word in begun]


def _for(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option("--for", "why", callback=_reason, shell_complete=_reasons, metavar="REASON", help=what)


_item_ids = click.argument("item_ids", callback=_ITEM_ID, nargs=-1, metavar="[ID]...")


@review.command(
    "list", epilog='Example: bcpoll review list --for "totals differ"', short_help="List what is set aside, by reason."
)
@click.option("--all", "every", is_flag=True, help="Show solved and dismissed ones too.")
@_for("Only what is set aside for this reason.")
@pass_options
def list_items(options: Options, every: bool, why: "Reason | None") -> None:  # noqa: FBT001
    """List what is set aside by reason, oldest first, with the cause and what to do about it."""
    from bcpoll.checkpoint import ReviewState
    from bcpoll.cli import render, wiring

    settings = wiring.settings_of(options.config, options.environ)
    with wiring.open_checkpoint(settings, create=False) as checkpoint:
        items = checkpoint.review_items(tuple(ReviewState) if every else (ReviewState.OPEN,))
    items = [item for item in items if why in (None, item.reason)]
    if options.as_json:
        reasons = [render.reason_json(reason, group) for reason, group in render.by_reason(items).items()]
        print_json({"reasons": reasons, "review": [render.review_json(item) for item in items]})
    else:
        render.show_review(items, with_state=every)


@review.command(epilog="Example: bcpoll review show 3", short_help="Show one of them with both payloads.")
@click.argument("item_id", callback=_ITEM_ID, metavar="ID")
@click.option("--personal", is_flag=True, help="Show names, addresses and messages too.")
@pass_options
def show(options: Options, item_id: int, personal: bool) -> None:  # noqa: FBT001
    """Show one set-aside order: cause and remedy, what BigCommerce sent, and what was sent to the POS last.

    Names, addresses, messages and whatever else may tell of a person are hidden unless --personal asks for them.
    """
    from bcpoll.cli import render, wiring
    from bcpoll.core.personal import masked, without_personal

    settings = wiring.settings_of(options.config, options.environ)
    with wiring.open_checkpoint(settings, create=False) as checkpoint:
        item = checkpoint.review_item(item_id)
        sent = _sent(checkpoint.history(item.order_id)) if item and item.order_id else None
    if item is None:
        raise _no_item(item_id)
    request = sent.body.get("request", {}) if sent else {}
    payloads = [item.payload, request] if personal else [without_personal(one) for one in (item.payload, request)]
    if options.as_json:
        print_json(render.review_json(item) | {"payload": payloads[0], "sent": payloads[1] or None})
        return
    render.show_review_item(item, render.detail(item) if personal else masked(render.detail(item)))
    render.show_payload("What BigCommerce sent", _readable(payloads[0]) or "It is no longer kept.")
    if sent is not None:
        title = f"What was sent to the POS last ({sent.created_at:%Y-%m-%d %H:%M} UTC, {sent.kind}: {sent.state})"
        render.show_payload(title, _readable(payloads[1]) or "It is no longer kept.")


def _sent(history: "Sequence[Intent]") -> "Intent | None":
    """The last write of the order that is known."""
    return next((intent for intent in reversed(history)), None)


def _readable(payload: Mapping[str, Any]) -> str:
    """A payload without the members that say nothing."""
    told = _without_empty(payload)
    return json.dumps(told, indent=2, ensure_ascii=False) if told else ""


def _without_empty(value: Any) -> Any:
    if isinstance(value, Mapping):
        members = {key: _without_empty(one) for key, one in value.items()}
        return {key: one for key, one in members.items() if one not in (None, "", [], {})}
    return [_without_empty(one) for one in value] if isinstance(value, list) else value


# --- retry -----------------------------------------------------------------------------------------------------------


@review.command(epilog="Example: bcpoll review retry 3", short_help="Try some of them again at once.")
@_item_ids
@click.option("--all", "every", is_flag=True, help="Retry everything that is set aside.")
@_for("Retry what is set aside for this reason.")
@click.option("--later", is_flag=True, help="Leave the trying to the next pass.")
@pass_options
def retry(options: Options, item_ids: tuple[int, ...], every: bool, why: "Reason | None", later: bool) -> int:  # noqa: FBT001
    """Try orders again at once, in their newest version, and say what became of each.

    Ends with 3 where some are still set aside. A dismissed order that is named is tried again too.
    """
    from bcpoll.cli import wiring

    if (bool(item_ids), every, why is not None).count(True) != 1:
        raise click.UsageError("Name the ids to retry (bcpoll review list), or say --all, or --for and a reason.")
    settings = wiring.settings_of(options.config, options.environ)
    with wiring.open_checkpoint(settings, create=False) as checkpoint:
        items = _chosen(checkpoint, item_ids, why)
        checkpoint.retry([item.id for item in items], wiring.now())
    if not later and items:
        return _retry_now(options, settings, [item.id for item in items])
    if options.as_json:
        print_json({"retried": len(items), "results": []})
    else:
        say(f"{len(items)} will be tried again by the next pass (bcpoll run-once)." if items else _NONE)
    return 0


_NONE = "Nothing is set aside."


def _chosen(checkpoint: "Checkpoint", item_ids: Sequence[int], why: "Reason | None") -> "list[ReviewItem]":
    """The items with these ids; without ids the open ones, for that reason where there is one."""
    if not item_ids:
        return [item for item in checkpoint.review_items() if why in (None, item.reason)]
    found = {item_id: checkpoint.review_item(item_id) for item_id in item_ids}
    missing = [item_id for item_id, item in found.items() if item is None or item.state == "solved"]
    if missing:
        raise _no_item(missing[0])
    return [item for item in found.values() if item is not None]


def _retry_now(options: Options, settings: "Settings", item_ids: Sequence[int]) -> int:
    """Try what is due over a connection, and tell what became of the items."""
    from bcpoll.cli import render, wiring
    from bcpoll.cycle import Scope, run_pass
    from bcpoll.errors import BcpollError

    try:
        with (
            stopping_on_signals() as stop,
            wiring.connected(settings, command="review retry", stop=stop) as connection,
        ):
            run_pass(connection.shell, Scope(only_due=True))
            results = [_became(connection.checkpoint, item_id) for item_id in item_ids]
    except BcpollError:
        say("What was not tried yet is tried again by the next pass.", err=True)
        raise
    if options.as_json:
        print_json({"retried": len(results), "results": results})
    else:
        rows = [(one["id"], one["order"] or "?", f"{one['outcome']}: {one['detail']}") for one in results]
        render.show_table("Tried again", ("id", "order", "outcome"), rows, right=("id", "order"), below="outcome")
    return _SET_ASIDE if any(one["outcome"] != "went through" for one in results) else 0


def _became(checkpoint: "Checkpoint", item_id: int) -> dict[str, Any]:
    """What a retry did about an item."""
    from bcpoll.checkpoint import ReviewState
    from bcpoll.cli import render
    from bcpoll.core.personal import masked

    item = checkpoint.review_item(item_id)
    if item is None:
        raise _no_item(item_id)
    if item.state is not ReviewState.OPEN:
        row = checkpoint.ledger([item.order_id]).get(item.order_id)
        sale = f"sale {row.applied.sale_id}, {row.applied.state}" if row and row.applied.sale_id else "no sale is due"
        return {"id": item.id, "order": item.order_id, "outcome": "went through", "detail": sale}
    detail = _NO_ID if not item.order_id else f"{item.reason}: {masked(render.detail(item))}"
    outcome = "set aside again" if item.order_id else "not tried"
    return {"id": item.id, "order": item.order_id, "outcome": outcome, "detail": detail}


_NO_ID = "it came without an id by which it could be read again; dismiss it once the order is in the POS"


# --- dismiss ---------------------------------------------------------------------------------------------------------


@review.command(
    epilog='Example: bcpoll review dismiss 3 --reason "entered by hand"',
    short_help="Take some of them off the list.",
)
@_item_ids
@_for("Dismiss what is set aside for this reason.")
@click.option("--reason", required=True, help="Why nothing is to be done; kept with the order.")
@pass_options
def dismiss(options: Options, item_ids: tuple[int, ...], why: "Reason | None", reason: str) -> None:
    """Take orders off the list, since nothing is to be done about them; each comes back when it changes."""
    from bcpoll.cli import wiring

    if bool(item_ids) == (why is not None):
        raise click.UsageError("Name the ids to dismiss (bcpoll review list), or say --for and a reason.")
    settings = wiring.settings_of(options.config, options.environ)
    with wiring.open_checkpoint(settings, create=False) as checkpoint, checkpoint.atomic():
        items = checkpoint.review_items()
        open_ids = {item.id for item in items}
        for item_id in item_ids:
            if item_id not in open_ids:
                raise click.UsageError(f"There is no open item {item_id}; see `bcpoll review list --all`.")
        chosen = [item for item in items if item.id in item_ids or item.reason is why]
        for item in chosen:
            checkpoint.dismiss(item.id, reason, wiring.now())
    if options.as_json:
        print_json({"dismissed": [item.id for item in chosen]})
    else:
        click.echo(f"Dismissed {', '.join(str(item.id) for item in chosen)}." if chosen else _NONE)


COMMANDS = (review,)


def _no_item(item_id: int) -> click.UsageError:
    return click.UsageError(f"There is no item {item_id}; see `bcpoll review list --all`.")
