"""The settings: one TOML file, the environment over it, and every problem found told at once in plain words.

Owns keys, defaults, bounds and the wording of what is wrong with them; `config.example.toml` says what each key is for.
Must not speak to either API: whether a register, a user or a payment type exists is for `check` to find out.

values    single values: lengths of time, addresses, tokens
sections  the keys of each section, and `Settings`
wording   what is wrong, in words
remarks   what is doubtful, but does not stop the program
layers    file, credential files and environment
example   the example file as a form to fill in
"""

from bcpoll.config.layers import (
    LOCAL_FILE,
    Loaded,
    draft,
    file_to_write,
    is_there,
    load,
    named_outside,
    problem_with,
)
from bcpoll.config.sections import (
    AlertChoices,
    MetricChoices,
    PaymentNames,
    PosAccess,
    RouteRule,
    Settings,
    SyncChoices,
    policy,
)
from bcpoll.config.values import duration_text, read_duration

__all__ = [
    "LOCAL_FILE",
    "AlertChoices",
    "Loaded",
    "MetricChoices",
    "PaymentNames",
    "PosAccess",
    "RouteRule",
    "Settings",
    "SyncChoices",
    "draft",
    "duration_text",
    "file_to_write",
    "is_there",
    "load",
    "named_outside",
    "policy",
    "problem_with",
    "read_duration",
]
