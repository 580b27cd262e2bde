"""The table of failure modes with the proof of each guard: `python -m tests.failure_modes`."""

import sys

from .proof import prove
from .table import MODES


def main() -> int:
    """Print each mode with its guards, the test of each and whether its removal was noticed; 1 if one was not."""
    noticed, seen = 0, None
    for verdict in prove():
        if verdict.mode is not seen:
            seen = verdict.mode
            print(f"\n{seen}")
        noticed += not verdict.problem
        print(f"     {verdict.guard.says}\n       {verdict.guard.test}: {verdict.problem or 'notices'}", flush=True)
    count = sum(len(mode.guards) for mode in MODES)
    print(f"\n{len(MODES)} failure modes, {count} guards removed one at a time, {noticed} noticed")
    return int(noticed < count)


if __name__ == "__main__":
    sys.exit(main())
