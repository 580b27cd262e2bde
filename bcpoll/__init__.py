"""bcpoll brings BigCommerce orders into Lightspeed Retail X-Series. This module owns the version, and the map below.

The runs, each of which reads orders page by page:

    cycle         one pass over what changed
    backfill      the historical pass; `portion` says how much of it comes at a time, `undo` takes it back
    foresee       what a pass would do, for its dry run
    rebuild       a lost checkpoint, rebuilt from the POS

One page, from raw orders to the checkpoint, in the words that `core` defines:

    page          the steps in order
    start         since when orders are imported
    decide        raw orders to plans, through `core`: decode, translate, plan
    lines         an order's lines, where they were not all embedded
    transactions  what was paid, where the status leaves it open
    refunds       what was given back
    planned       an order together with its plan
    apply         plans to sales in the POS
    resolve       the customers, products and addresses that sales need
    opening       the stock that new products begin with
    registers     what is done about a register that is closed
    writes        actions as requests, with their intents
    memory        what an intent remembers, to be read by a later run
    send          one write, and a look-up after an unclear answer
    recover       intents that an earlier run left unsettled
    stock         adjustments of the stock, each carried out once
    putback       the stock that history sold, put back
    unnoted       adjustments that the POS holds and the checkpoint does not know
    books         what became of each order, written down

What they work with:

    core          the decisions: pure functions from values to values
    shell         both sides, the checkpoint, the shop and the policy in one record
    ports         what the flow needs from the two sides
    checkpoint    the SQLite file with all that bcpoll remembers
    references    the POS's reference data, joined with the settings
    errors        what can go wrong, by what the caller may do about it
    rows          JSON members as the two APIs send them

Around them:

    cli           the commands, and the only place that joins things together
    config        the settings
    adapters      both sides over HTTP
    http          requests, retries and what refusals mean; `budget` keeps to the rate limits
    monitoring    how the sync stands, for people
    scheduler     a pass each interval
    lock          one run at a time
    logs          what the program says while it works
    sandbox       stand-ins for both sides, for the demo and the tests
"""

__version__ = "0.1.0"
