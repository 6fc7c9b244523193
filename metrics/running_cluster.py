"""What to measure: the nodes of a configuration and the zones that the running cluster has."""

import os
from dataclasses import dataclass

from node_control import NodeControl
from query_load import ask_once, encode_question, is_positive

from dns_node.config.address import Address
from dns_node.config.load import load
from dns_node.config.schema import Settings
from dns_node.errors import InputError, Problem

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_TYPES = {"MX": 15, "A": 1, "SOA": 6}
_SEED_ZONES = ("example.com.", "cs244b.com.", "cats.com.")


@dataclass(frozen=True)
class Question:
    """A name and type that the cluster answers."""

    name: str
    rrtype: str

    def __str__(self) -> str:
        return f"{self.name} {self.rrtype}"

    def encode(self) -> bytes:
        """Return the query."""
        return encode_question(self.name, _TYPES[self.rrtype])


def find_config(path: str | None) -> str:
    """Return *path*, else the dns-config.json here or in the checkout; raises InputError."""
    candidates = [path] if path else ["dns-config.json", os.path.join(ROOT, "dns-config.json")]
    for candidate in candidates:
        if os.path.exists(candidate):
            return candidate
    raise InputError([Problem(candidates[0], "there is no such configuration.", "Name one by -c.")])


class RunningCluster:
    """The nodes that answer now, and the questions to ask them."""

    def __init__(self, config: str, node: str | None):
        """Read *config*; *node* is the one to measure first, by default the first there is.

        Raises InputError when the configuration is wrong or names no such node.
        """
        self.settings: Settings = load(config)
        self.config = config
        self.node = node if node is not None else next(iter(self.settings.nodes))
        if self.node not in self.settings.nodes:
            known = ", ".join(self.settings.nodes)
            raise InputError([Problem(f"-n {self.node}", f"{config} has the nodes {known}.")])
        self.addresses = {
            one: _reachable(entry.query_loc[0]) for one, entry in self.settings.nodes.items()
        }

    def control(self) -> NodeControl:
        """Return a connection to the console verbs of the measured node; raises InputError."""
        return NodeControl(self.node, self.settings.node(self.node).data_dir)

    def silent_nodes(self) -> list[str]:
        """Return the configured nodes that answer no question at all."""
        probe = encode_question(".", _TYPES["SOA"])
        return [
            node
            for node, address in self.addresses.items()
            if ask_once(address, probe, 0.5) is None
        ]

    def questions(self, control: NodeControl) -> tuple[Question, Question | None]:
        """Return a record of the measured node's own zone and one of another node's zone (None
        when there is but one zone); raises InputError when there is no zone at all."""
        zones = self._zones_in_order(control)
        found = [question for zone in zones if (question := self._question_in(zone))]
        if not found:
            where = f"node {self.node}"
            raise InputError([Problem(where, "it serves no zone yet.", "ADD: a record first.")])
        return found[0], found[-1] if len(found) > 1 else None

    def _zones_in_order(self, control: NodeControl) -> list[str]:
        """The zones, the node's own seed zone first and the last node's last."""
        zones = control.zones()
        nodes = list(self.settings.nodes)
        own = nodes.index(self.node)
        order = [_SEED_ZONES[own % 3], *(one for i, one in enumerate(_SEED_ZONES) if i != own % 3)]
        seeds = [zone for zone in order if zone in zones]
        return seeds if len(seeds) > 1 else seeds + sorted(set(zones) - set(seeds))[:8]

    def _question_in(self, zone: str) -> Question | None:
        for rrtype in _TYPES:
            question = Question(zone, rrtype)
            reply = ask_once(self.addresses[self.node], question.encode())
            if reply is not None and is_positive(reply):
                return question
        return None


def _reachable(address: Address) -> tuple[str, int]:
    if not address.is_wildcard:
        return address.host, address.port
    return "::1" if address.is_ipv6 else "127.0.0.1", address.port
