"""The table of failure modes: what goes wrong in order syncs, the guard against it, the test, and how to remove it.

Owns no behaviour. `removals` are replacements in the program's text that take a guard away and leave the rest as it is;
`proof` makes them one guard at a time, and the test named here has to fail each time.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Removal:
    """A replacement in a file of the program; `old` stands there exactly once."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Guard:
    """What keeps a failure mode away, the test that fails without it, and what takes it away."""

    says: str
    test: str
    removals: tuple[Removal, ...]


@dataclass(frozen=True, slots=True)
class Mode:
    """A failure mode with its guards; none is enough without the others."""

    number: int
    title: str
    guards: tuple[Guard, ...]

    def __str__(self) -> str:
        return f"{self.number:2} {self.title}"


def _guard(says: str, test: str, file: str, old: str, new: str) -> Guard:
    """A guard that stands in one place."""
    return Guard(says, test, (Removal(file, old, new),))


# These stand behind one another: whatever the look-up of an intent misses, the feeds show.
_LOOKED_UP = Removal("bcpoll/recover.py", "found = _LOOK_UPS[intent.kind](shell.pos, intent)", "found = None")
_CAUGHT_UP = Removal("bcpoll/page.py", "overtaken = self.take_over() & busy", "overtaken = set[int]()")
_ADJUSTMENTS_CAUGHT_UP = Removal(
    "bcpoll/page.py", "if checkpoint.stock_owed(1) or checkpoint.refunds_to_take_out():", "if False:"
)

MODES = (
    Mode(
        1,
        "A sale twice, after its answer was lost",
        (
            _guard(
                "A write is never repeated by the transport",
                "test_01_a_sale_twice_after_a_lost_answer",
                "bcpoll/http/repeats.py",
                "return outcome.status in _WRITE_AGAIN",
                "return outcome.status in _WRITE_AGAIN or outcome.error is not None",
            ),
            Guard(
                "An intent is recorded before a sale leaves",
                "test_01_a_sale_twice_after_a_killed_run",
                (
                    Removal("bcpoll/apply.py", "self._intend(jobs)", "pass"),
                    Removal("bcpoll/page.py", "checkpoint.settle_many(result.settlements, at=now)", "pass"),
                ),
            ),
            Guard(
                "A sale whose outcome is open is looked up before anything else is written",
                "test_01_a_sale_twice_after_a_killed_run",
                (_LOOKED_UP, _CAUGHT_UP),
            ),
            Guard(
                "What another host or a later run has written is taken over before a page is written",
                "test_01_a_sale_twice_by_two_hosts",
                (_CAUGHT_UP,),
            ),
            _guard(
                "A sale's id follows from its order",
                "test_01_a_sale_twice_after_a_lost_checkpoint",
                "bcpoll/core/plan.py",
                ":order:{order_id}:{revision}",
                ":order:{order_id}:{revision}:{uuid.uuid4()}",
            ),
        ),
    ),
    Mode(
        2,
        "An order lost in the second at which reading begins or a page ends",
        (
            _guard(
                "A list is asked for from a second before, whether the filter includes its own second or not",
                "test_02_an_order_lost_in_the_second_of_the_cursor",
                "bcpoll/adapters/order_list.py",
                "self.since.replace(microsecond=0) - _SECOND",
                "self.since.replace(microsecond=0)",
            ),
            _guard(
                "An order of that very second counts",
                "test_02_an_order_lost_in_the_second_of_the_cursor",
                "bcpoll/adapters/order_list.py",
                "at < self.since",
                "at <= self.since",
            ),
            _guard(
                "The next page begins a second before the last row",
                "test_02_an_order_lost_in_the_second_of_a_page_end",
                "bcpoll/adapters/order_list.py",
                "max(last - _SECOND, self.asked)",
                "max(last, self.asked)",
            ),
        ),
    ),
    Mode(
        3,
        "An order that shows late, behind the cursor",
        (
            _guard(
                "Each pass reads an overlap once more",
                "test_03_an_order_that_shows_minutes_late",
                "bcpoll/cycle.py",
                "cursor - (shell.sweep if is_sweep else shell.overlap)",
                "cursor - (shell.sweep if is_sweep else timedelta(0))",
            ),
            _guard(
                "A sweep reads the last days once more, each day",
                "test_03_an_order_that_shows_a_day_late",
                "bcpoll/cycle.py",
                "cursor - (shell.sweep if is_sweep else shell.overlap)",
                "cursor - shell.overlap",
            ),
        ),
    ),
    Mode(
        4,
        "Pages that shift while they are read",
        (
            _guard(
                "Pages are asked for by time, not by number",
                "test_04_pages_that_shift_while_they_are_read",
                "bcpoll/adapters/order_list.py",
                "if not at_end and last - _SECOND <= self.asked:",
                "if not at_end:",
            ),
            _guard(
                "Where one second fills a page, its pages are read until they are the same twice",
                "test_04_a_crowded_second_that_shifts_while_it_is_read",
                "bcpoll/adapters/order_list.py",
                "if self.page > 1 and self.crowd != self.last_crowd:",
                "if False:",
            ),
        ),
    ),
    Mode(
        5,
        "An error that is swallowed while the cursor moves on",
        (
            _guard(
                "A page that was cut short does not move the cursor",
                "test_05_a_cursor_that_moves_over_an_error",
                "bcpoll/page.py",
                "if result.stopped_by is None and not",
                "if not",
            ),
            _guard(
                "What cannot be read is kept with its payload and its reason",
                "test_05_an_order_that_is_dropped_without_a_word",
                "bcpoll/books.py",
                "self.set_aside(why, version.raw, version.fingerprint, now)",
                "pass",
            ),
        ),
    ),
    Mode(
        6,
        "One bad order that blocks all others",
        (
            _guard(
                "A bug that shows over one order sets that order aside",
                "test_06_a_bug_over_one_order_that_blocks_all_others",
                "bcpoll/decide.py",
                "except Exception as error:",
                "except KeyboardInterrupt as error:",
            ),
            _guard(
                "A refusal sets its order aside and the page goes on",
                "test_06_a_refused_order_that_blocks_all_others",
                "bcpoll/send.py",
                "except GiveUp as error:",
                "except KeyboardInterrupt as error:",
            ),
            _guard(
                "A run that set orders aside does not count as clean",
                "test_06_a_refused_order_that_blocks_all_others",
                "bcpoll/cycle.py",
                "RunOutcome.SET_ASIDE if report.set_aside else RunOutcome.DONE",
                "RunOutcome.DONE",
            ),
        ),
    ),
    Mode(
        7,
        "A first run that books the shop's past",
        (
            _guard(
                "Orders from before the start are left alone",
                "test_07_a_first_run_that_books_the_past",
                "bcpoll/decide.py",
                "or not is_before(head, basis.start)",
                "or True",
            ),
            _guard(
                "The start is now, unless the settings say otherwise",
                "test_07_a_first_run_that_books_the_past",
                "bcpoll/start.py",
                "start = shell.start or shell.source.server_time()\n    with_refunds",
                "start = shell.start or shell.source.server_time().replace(year=2000)\n    with_refunds",
            ),
            _guard(
                "What a backfill sells is put back into stock",
                "test_07_a_history_that_takes_its_goods_out_of_todays_stock",
                "bcpoll/writes.py",
                "owed=_owed(ready.sale, ids) if neutral else ()",
                "owed=()",
            ),
            _guard(
                "What is owed to the stock is noted with the sales",
                "test_07_a_history_that_takes_its_goods_out_of_todays_stock",
                "bcpoll/books.py",
                "checkpoint.owe_stock(owed for one in outcomes for owed in one.owed)",
                "pass",
            ),
            _guard(
                "What is owed by a run that died is put back by the next one",
                "test_07_a_history_that_dies_before_it_has_put_its_goods_back",
                "bcpoll/putback.py",
                "if self._checkpoint.stock_owed(1) and not self._adjuster.is_unclear:",
                "if False:",
            ),
            _guard(
                "What was put back is not owed any more",
                "test_07_a_history_that_puts_its_goods_back_twice",
                "bcpoll/putback.py",
                "settled=lambda left: self._checkpoint.owe_stock(put_back(items, left))",
                "settled=lambda left: None",
            ),
        ),
    ),
    Mode(
        8,
        "Stock that is taken out twice",
        (
            _guard(
                "A new product starts with what is still to be sold of it",
                "test_08_stock_taken_out_twice",
                "bcpoll/core/opening.py",
                "units.get(outlet, ZERO) - count",
                "units.get(outlet, ZERO)",
            ),
            _guard(
                "A voided sale takes nothing out",
                "test_08_stock_taken_out_by_a_sale_that_takes_none",
                "bcpoll/core/sale.py",
                "if self.state is SaleState.VOIDED:",
                "if False:",
            ),
            Guard(
                "An adjustment whose outcome is open is looked up in the POS's feed",
                "test_08_returned_stock_taken_out_twice",
                (_LOOKED_UP, _ADJUSTMENTS_CAUGHT_UP),
            ),
        ),
    ),
    Mode(
        9,
        "Refunds that are ignored, or taken from a status without a record",
        (
            _guard(
                "Every refund on record becomes a sale of its own",
                "test_09_a_refund_that_is_ignored",
                "bcpoll/core/plan.py",
                "actions=(*found.actions, *creations)",
                "actions=found.actions",
            ),
            _guard(
                "A refund is read by itself, whether it moves its order's time or not",
                "test_09_a_refund_that_is_ignored",
                "bcpoll/cycle.py",
                "        self._follow_refunds()\n",
                "",
            ),
            _guard(
                "Refunds are read with an overlap too",
                "test_09_a_refund_that_shows_late",
                "bcpoll/refunds.py",
                "cursor - back",
                "cursor",
            ),
            _guard(
                "A status without a refund on record is told, and nothing is made up for it",
                "test_09_a_status_trusted_without_money",
                "bcpoll/core/plan.py",
                "if desired.is_refunded and not refunded.is_known:",
                "if False:",
            ),
        ),
    ),
    Mode(
        10,
        "A refund twice, or beyond what was paid",
        (
            _guard(
                "A refund sale's id follows from the refund",
                "test_10_a_refund_booked_twice_after_a_lost_checkpoint",
                "bcpoll/core/plan.py",
                ":refund:{refund_id}",
                ":refund:{refund_id}:{uuid.uuid4()}",
            ),
            Guard(
                "A refund sale whose outcome is open is looked up before anything else is written",
                "test_10_a_refund_booked_twice_after_a_killed_run",
                (_LOOKED_UP, _CAUGHT_UP),
            ),
            _guard(
                "Only a refund that waits is booked",
                "test_10_a_refund_booked_twice_as_time_goes_by",
                "bcpoll/refunds.py",
                "for row in told if row.state is RefundState.WAITING",
                "for row in told",
            ),
            _guard(
                "No refund goes beyond what is left of the sale",
                "test_10_refunds_beyond_what_was_paid",
                "bcpoll/core/plan.py",
                "if refund.total > left:",
                "if False:",
            ),
            _guard(
                "Refunds that come together share what is left",
                "test_10_refunds_beyond_what_was_paid",
                "bcpoll/core/plan.py",
                "left -= refund.total",
                "pass",
            ),
            _guard(
                "No more units come back than were sold",
                "test_10_more_units_back_than_were_sold",
                "bcpoll/core/plan.py",
                "if count > line.ordered:",
                "if False:",
            ),
        ),
    ),
    Mode(
        11,
        "A total that is off by a cent",
        (
            _guard(
                "Half a cent is rounded up",
                "test_11_off_by_a_cent_in_rounding",
                "bcpoll/core/money.py",
                "rounding=ROUND_HALF_UP",
                'rounding="ROUND_HALF_EVEN"',
            ),
            _guard(
                "Cents left over are given to the lines",
                "test_11_off_by_a_cent_over_the_lines",
                "bcpoll/core/parts.py",
                "for i in range(abs(left)):",
                "for i in range(0):",
            ),
            _guard(
                "A line whose units miss its cents is split",
                "test_11_off_by_a_cent_within_a_line",
                "bcpoll/core/units.py",
                "if round_money(one.paid, digits) == paid and round_money(one.tax * quantity, digits) == tax:",
                "if True:",
            ),
            _guard(
                "Small errors of many lines are not left to add up",
                "test_11_off_by_a_cent_by_small_errors",
                "bcpoll/core/translate.py",
                "if not _comes_to(rows, parts, digits):",
                "if False:",
            ),
        ),
    ),
    Mode(
        12,
        "A discount that is lost, or taken off twice",
        (
            _guard(
                "An order whose parts do not add up to its total is set aside",
                "test_12_a_discount_that_no_line_shows",
                "bcpoll/core/parts.py",
                "if _adds_up(order, parts, reading, digits):",
                "if True:",
            ),
            _guard(
                "A line's discounts are taken off where the line's own total is missing",
                "test_12_a_discount_lost_in_an_old_order",
                "bcpoll/core/parts.py",
                "price - share - total(discount.amount for discount in line.discounts)",
                "price - share",
            ),
        ),
    ),
    Mode(
        13,
        "An order that is paid later and stays unpaid, or counts as paid before it is",
        (
            _guard(
                "An unpaid sale gets its payments once the order is paid",
                "test_13_paid_later_and_never_updated",
                "bcpoll/core/plan.py",
                "(AppliedState.UNPAID, DesiredState.PAID): Step.SETTLE",
                "(AppliedState.UNPAID, DesiredState.PAID): Step.NOTHING",
            ),
            _guard(
                "An unpaid order has no payments",
                "test_13_unpaid_and_counted_as_paid",
                "bcpoll/core/tenders.py",
                " if says_paid else Takings()",
                "",
            ),
        ),
    ),
    Mode(
        14,
        "Lines that are cut off after fifty",
        (
            _guard(
                "Embedded lines count only if they add up to the order's number of items",
                "test_14_lines_cut_off_after_fifty",
                "bcpoll/core/consignments.py",
                "return wanted in {",
                "return True or wanted in {",
            ),
            _guard(
                "Lines are read page by page",
                "test_14_lines_cut_off_after_a_page",
                "bcpoll/adapters/bigcommerce.py",
                "if len(rows) < DEFAULT_PAGE or len(lines) == known:",
                "if True:",
            ),
        ),
    ),
    Mode(
        15,
        "A customer who is there twice",
        (
            _guard(
                "E-mail addresses are compared without regard to case",
                "test_15_a_guest_twice_by_the_case_of_an_address",
                "bcpoll/core/order.py",
                "return email.strip().lower()",
                "return email.strip()",
            ),
            _guard(
                "A customer once found is remembered, whatever the POS's search says",
                "test_15_a_customer_twice_by_a_search_that_lags",
                "bcpoll/resolve.py",
                "self.shell.checkpoint.link_customers(by_email | dict(links), self.shell.clock())",
                "pass",
            ),
            _guard(
                "Of several customers under one address the oldest is taken",
                "test_15_twins_taken_by_turns",
                "bcpoll/send.py",
                "return min(alive, key=",
                "return max(alive, key=",
            ),
        ),
    ),
    Mode(
        16,
        "SKUs that collide, are blank, or differ in case",
        (
            _guard(
                "Two products under one SKU are never guessed at",
                "test_16_a_sku_of_two_products",
                "bcpoll/core/translate.py",
                "known.get(code_key(line.code), ())) > 1",
                "known.get(code_key(line.code), ())) > 99",
            ),
            _guard(
                "SKUs are compared without regard to case",
                "test_16_a_sku_in_another_case",
                "bcpoll/core/order.py",
                "return code.strip().casefold()",
                "return code.strip()",
            ),
            _guard(
                "A product without a SKU has a code of its own",
                "test_16_products_without_a_sku",
                "bcpoll/core/translate.py",
                "if line.sku:",
                "if True:",
            ),
        ),
    ),
    Mode(
        17,
        "Products that are gone",
        (
            _guard(
                "A product that the store deleted is made in the POS, its stock uncounted",
                "test_17_a_product_gone_from_the_store",
                "bcpoll/core/opening.py",
                "level is None or not level.tracked",
                "not level.tracked",
            ),
            _guard(
                "A product that the POS deleted is made anew",
                "test_17_a_product_gone_from_the_pos",
                "bcpoll/checkpoint/references.py",
                'self._write_many("DELETE FROM products WHERE id = ?", gone)',
                "pass",
            ),
        ),
    ),
    Mode(
        18,
        "Two runs at once",
        (
            _guard(
                "A run holds the lock of its checkpoint",
                "test_18_two_runs_at_once",
                "bcpoll/cli/wiring.py",
                "stack.enter_context(lock)",
                "pass",
            ),
            _guard(
                "The lock is one that the kernel gives to one process only",
                "test_18_two_runs_at_once",
                "bcpoll/lock.py",
                "fcntl.LOCK_EX | fcntl.LOCK_NB",
                "fcntl.LOCK_SH | fcntl.LOCK_NB",
            ),
            _guard(
                "A second write under one key cannot begin while the first is open",
                "test_18_two_writes_at_once",
                "bcpoll/checkpoint/schema.py",
                "CREATE UNIQUE INDEX one_unsettled_intent",
                "CREATE INDEX one_unsettled_intent",
            ),
        ),
    ),
    Mode(
        19,
        "A token that expires",
        (
            _guard(
                "A refused token stops the run and sets nothing aside",
                "test_19_a_token_that_is_refused",
                "bcpoll/http/answers.py",
                "if outcome.status in (401, 403):",
                "if outcome.status in (403,):",
            ),
            _guard(
                "A pair of tokens that another worker or process has got is taken from the file",
                "test_19_a_token_that_is_renewed_twice",
                "bcpoll/adapters/oauth.py",
                "if stored.access_token != used:",
                "if False:",
            ),
            _guard(
                "A new pair of tokens is on the disk before it is used",
                "test_19_a_pair_that_is_used_and_not_kept",
                "bcpoll/adapters/oauth.py",
                "write(pair)\n            log.info(",
                "pass\n            log.info(",
            ),
        ),
    ),
    Mode(
        20,
        "A storm of requests after 429",
        (
            _guard(
                "A 429 without a header is waited out",
                "test_20_a_429_without_a_header",
                "bcpoll/adapters/pos.py",
                "{429: 30.0, ",
                "{429: 0.0, ",
            ),
            _guard(
                "A wait that is told as a date is kept",
                "test_20_a_429_with_a_date",
                "bcpoll/http/repeats.py",
                "until = parse_time(text)",
                "until = None",
            ),
            _guard(
                "What one worker is told goes for all",
                "test_20_a_429_that_only_one_worker_heeds",
                "bcpoll/http/client.py",
                "self._budget.hold(wait)",
                "pass",
            ),
            _guard(
                "The budget is kept before the server has to say so",
                "test_20_a_budget_that_is_overdrawn",
                "bcpoll/budget.py",
                "if max(ours + most, counted) < allowed:",
                "if True:",
            ),
            _guard(
                "A limit that does not lift stops the run and sets nothing aside",
                "test_20_a_429_that_does_not_lift",
                "bcpoll/http/answers.py",
                'return RetryLater(message, hint="Nothing was done.',
                'return GiveUp(message, hint="Nothing was done.',
            ),
        ),
    ),
    Mode(
        21,
        "Time zones and the nights when clocks change",
        (
            _guard(
                "A time's zone is heeded",
                "test_21_an_hour_that_comes_twice",
                "bcpoll/core/times.py",
                "None if at.tzinfo is None else at.astimezone(UTC)",
                "None if at.tzinfo is None else at.replace(tzinfo=UTC)",
            ),
            _guard(
                "A time without a zone is not guessed at",
                "test_21_a_time_without_a_zone",
                "bcpoll/core/times.py",
                "return None if at.tzinfo is None else",
                "return at.replace(tzinfo=UTC) if at.tzinfo is None else",
            ),
            _guard(
                "The scheduler goes by UTC",
                "test_21_a_schedule_by_the_host_s_zone",
                "bcpoll/scheduler.py",
                "_Scheduler(timezone=UTC, ",
                "_Scheduler(",
            ),
        ),
    ),
    Mode(
        22,
        "A host whose clock is wrong",
        (
            _guard(
                "The cursor moves by the store's times",
                "test_22_a_cursor_by_a_clock_that_is_ahead",
                "bcpoll/cycle.py",
                "checkpoint.move_cursor(reached)",
                "checkpoint.move_cursor(self._shell.clock())",
            ),
            _guard(
                "The start is told by the store's clock",
                "test_22_a_start_by_a_clock_that_is_ahead",
                "bcpoll/start.py",
                "start = shell.start or shell.source.server_time()\n    with_refunds",
                "start = shell.start or shell.clock()\n    with_refunds",
            ),
            _guard(
                "A clock that is far off is told",
                "test_22_a_clock_that_nobody_minds",
                "bcpoll/core/fit.py",
                "if abs(off) <= _SKEW:",
                "if True:",
            ),
        ),
    ),
    Mode(
        23,
        "An order in another currency, booked one for one",
        (
            _guard(
                "An order in another currency than the POS's is set aside",
                "test_23_a_foreign_currency_booked_one_for_one",
                "bcpoll/core/translate.py",
                "if order.currency != shop.currency.code:",
                "if False:",
            ),
        ),
    ),
    Mode(
        24,
        "Stock below zero, and reads that lag behind writes",
        (
            _guard(
                "Oversold stock stays as it is in the store, below zero too",
                "test_24_oversold_stock_that_is_corrected",
                "bcpoll/core/opening.py",
                "units = {rest: level.level}",
                "units = {rest: max(level.level, ZERO)}",
            ),
            _guard(
                "A sale that the POS refuses for want of stock is told in the POS's words",
                "test_24_oversold_stock_that_the_pos_refuses",
                "bcpoll/send.py",
                "frozenset({409, 422})",
                "frozenset({409})",
            ),
            _guard(
                "A new customer is looked up in the feed, which does not lag",
                "test_24_a_customer_that_no_search_shows_yet",
                "bcpoll/send.py",
                "for page in pos.customers_after(since)",
                "for page in ()",
            ),
        ),
    ),
    Mode(
        25,
        "A sync that has stopped and says that all is well",
        (
            _guard(
                "A list that does not keep to the filter is believed nothing",
                "test_25_a_filter_that_was_ignored",
                "bcpoll/adapters/order_list.py",
                "if any(at < self.asked for at in readable):",
                "if False:",
            ),
            _guard(
                "An answer that cannot be read is not taken for no orders",
                "test_25_a_page_of_html_for_no_orders",
                "bcpoll/http/client.py",
                "raise self._answers.unreadable(call, outcome, str(error)) from error",
                "return nothing",
            ),
            _guard(
                "Every run is kept with its outcome and counts",
                "test_25_runs_that_leave_no_trace",
                "bcpoll/cycle.py",
                "end_run(run_id, shell.clock(), outcome, report.counts)",
                "end_run(run_id, shell.clock(), outcome, {})",
            ),
            _guard(
                "A run that was cut short does not count as a success",
                "test_25_a_failure_that_counts_as_a_success",
                "bcpoll/checkpoint/runs.py",
                "WHERE outcome IN ('done', 'set_aside')",
                "WHERE outcome IS NOT NULL",
            ),
            _guard(
                "Once a day the store's newest order has to be one that was read",
                "test_25_a_list_that_hides_orders",
                "bcpoll/cycle.py",
                "self._check_newest()",
                "pass",
            ),
            _guard(
                "A version of the POS's API that may be past its end is told",
                "test_25_an_api_version_past_its_end",
                "bcpoll/core/fit.py",
                "today.month - month >= _MONTHS_SUPPORTED",
                "today.month - month >= 10_000",
            ),
        ),
    ),
)
