"""A player of scenarios in the `.rpl` format that Unbound's and Knot Resolver's tests have.

`scripts/play-rpl FILE…` runs it.  The format: `scenario`.
"""
