"""What every node has applied, compared as it happens: one log, one state."""

from dns_node.cluster.machine import StoreMachine


class Violation(AssertionError):
    """The cluster has broken a promise."""


class Oracle:
    """The log as the nodes' stores have applied it."""

    def __init__(self):
        self.entries: dict[int, tuple[int, bytes | None]] = {}
        self.digests: dict[int, tuple[str, str]] = {}
        self.leaders: dict[int, str] = {}
        self.applied = 0
        self.problem = ""
        """A violation that was seen where it can't be raised."""

    def will_apply(self, node: str, entries):
        """*node* is about to apply *entries*: it holds them to be committed."""
        for index, term, payload in entries:
            known = self.entries.setdefault(index, (term, payload))
            if known != (term, payload):
                raise Violation(
                    f"I2: entry {index} is {_short(known)}, but node {node} applies "
                    f"{_short((term, payload))}"
                )
        self.applied += len(entries)

    def saw_state(self, node: str, index: int, digest: str):
        other, known = self.digests.setdefault(index, (node, digest))
        if known != digest:
            raise Violation(
                f"I2: at entry {index} node {node} has the digest {digest[:8]}, node {other} "
                f"{known[:8]}"
            )

    def saw_leader(self, node: str, term: int):
        known = self.leaders.setdefault(term, node)
        if known != node:
            raise Violation(f"nodes {known} and {node} both lead term {term}")


def _short(entry: tuple[int, bytes | None]) -> str:
    term, payload = entry
    return f"(term {term}, {'no-op' if payload is None else f'{len(payload)} octets'})"


class WatchedMachine(StoreMachine):
    """The product's state machine; *oracle* sees what it applies."""

    def __init__(self, directory, node: str, oracle: Oracle):
        self.node, self._oracle = node, oracle
        super().__init__(directory)

    def apply(self, entries):
        index, _ = self.applied()
        if entries[0][0] != index + 1:
            raise Violation(f"node {self.node} applies {entries[0][0]} after entry {index}")
        self._oracle.will_apply(self.node, entries)
        outcomes = super().apply(entries)
        self._oracle.saw_state(self.node, entries[-1][0], self.digest())
        return outcomes

    def install(self, copy):
        swap = super().install(copy)

        def watched():
            before, _ = self.applied()
            index, term = swap()
            if index < before:
                self._oracle.problem = (
                    f"I6: node {self.node} had applied {before}, and installs a snapshot of {index}"
                )
            return index, term

        return watched

    def digest(self) -> str:
        try:
            return self.view().digest()
        finally:
            self._reader.reset()
