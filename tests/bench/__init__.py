"""Benchmarks: programs to run by hand, without assertions. `tests/bench/README.md` has the commands."""
