"""Scenarios: dialogs of a client, a resolver and the servers of a small Internet, played without
I/O.  `docs/scenarios.md` describes the language; the dialogs are in `tests/scenarios`."""
