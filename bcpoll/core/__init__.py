"""The pure core: functions from values to values.

Nothing below this package reads a clock, a file, the network, the environment or a random source, and nothing logs.
What a decision needs from outside is an argument. All records are frozen; amounts are `Decimal`, times aware UTC.

The words, as they are used throughout:

order        BigCommerce's; it has a status (0..14)
sale         the POS's; it has a state (parked, pending, closed, voided)
disposition  what is done about a status
desired      what the POS should hold for an order: computed from the order and the reference data alone
applied      what the ledger says was already written for it
plan         the actions that turn applied into desired
intent       the row written before an action leaves for the POS; settled afterwards
set aside    an order that needs a person or a later try: a `Rejected`, kept with its payload
code         the name of a product: its SKU, or a stable stand-in where there is none
cursor       the modification time up to which everything is applied or set aside
start        the moment the shop was connected; orders created before it belong to backfill
ledger       the checkpoint's record per order

From a raw order to the requests for the POS, in this order:

shapes        the members of the store's JSON, and what counts as a value of each
consignments  where an order's lines and destinations stand in it
decode        JSON to records
parts         what was paid for each line and charge: the money check
transactions  what money came in
tenders       what was paid, and by what
units         amounts per unit, without losing a cent
addresses     what the POS's address book takes
translate     an order to what the POS should hold
shares        a refund's amount spread over what it gives back
refunds       a refund to the sale that books it
plan          the actions from applied to desired
opening       the stock that a new product begins with
bodies        the actions as requests

The records, tables and values that these work with:

order         what the store said: orders, refunds, transactions
sale          what the POS should hold or was given, and the actions in between
shop          the reference data of both sides, and the merchant's choices
rejected      why an order is set aside, and what to do about it
status        what is done about each order status
money         amounts: rounding, and the digits of each currency
times         times: reading and writing them

For people, beside the flow:

sold          a sale as the POS shows it
sides         an order and its sale side by side
reconcile     what differs between order, ledger and POS
days          orders and sales by day
fit           whether the accounts, the settings and this host fit
alerts        what to tell the owner
rhythm        which pace and which silence are usual
personal      payloads without what tells of a person
"""
