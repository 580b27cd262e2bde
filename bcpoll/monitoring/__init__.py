"""Monitoring: everything by which people see how the sync stands, and are told where it does not.

Nothing below this package writes to either side, and nothing of the flow imports it. From the questions to the modules:

check      can bcpoll work with these settings? reads through `look`
standing   where does the sync stand? for `bcpoll status`, and measured by `metrics`
show       what is known of one order?
reconcile  do BigCommerce, the ledger and the POS agree? lays sales aside in `spool`
alerts     what is the owner to be told? sent through `channels`
"""
