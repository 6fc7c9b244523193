"""A name tree of its own, from a root down, on real servers with really signed zones.

    python -m tests.end_to_end.hierarchy

starts it in a network namespace and says how to ask it: root hints, the trust anchor, commands.
"""
