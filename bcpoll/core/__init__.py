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
"""
