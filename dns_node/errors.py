"""The errors that a user or a peer is told about.

Every error says what is wrong, where, and what to do.  A fault in the program itself is an
ordinary Python exception and is never caught under one of these names.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: *where* it is (file:line, key path, command), *what* it is and the
    *cure*.  ``str(problem)`` is the one line that the user reads."""

    where: str
    what: str
    cure: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} {self.cure}" if self.cure else text


class DnsNodeError(Exception):
    """Something that the user can put right; ``str(error)`` is the text to show."""


class InputError(DnsNodeError):
    """Input that was refused whole; *problems* holds every reason, not only the first.

    Nothing was changed.  ``str(error)`` is one line per problem.
    """

    def __init__(self, problems: "list[Problem] | tuple[Problem, ...]"):
        assert problems, "an InputError without a problem tells the user nothing"
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class WireError(DnsNodeError):
    """Octets that are no DNS message; *rcode* answers the peer (RFC 1035 section 4.1.1)."""

    def __init__(self, what: str, rcode: int = 1):
        super().__init__(what)
        self.rcode = rcode


class StoreError(DnsNodeError):
    """The store or the journal can't be read or written; the node answers DNS from what it has."""
