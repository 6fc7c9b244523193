"""A node and a zone file, for the tests of loading."""

import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import TestCase

from dns_node.config.schema import ZoneFile
from dns_node.control.compose import Asker, compose
from dns_node.control.loader import Loader
from dns_node.zone.names import parse_name

from .fake_node import FakeNode


def zone_text(names):
    """Return example.net with so many names: two records more."""
    head = "$ORIGIN example.net.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns.elsewhere.org.\n"
    return head + "".join(f"h{n} A 10.0.{n // 250}.{n % 250}\n" for n in range(names))


class FileCase(TestCase):
    """`path` is loaded into `node` by `loader`."""

    timeout = 30

    def setUp(self) -> None:
        """Make a node and room for a file."""
        self.folder = Path(tempfile.mkdtemp(prefix="dns-node-files-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.node = FakeNode(self.folder / "data")
        self.addCleanup(self.node.close)
        self.path = self.folder / "example.net.zone"
        self.loader = Loader("0", self.node.machine.writer.reader())

    async def propose(self, operations, reason):
        """Carry out what is proposed."""
        with self.node.view() as view:
            command = compose(self.node, view, operations, Asker("file"))
        return await self.node.propose(command)

    async def load(self, mode=None, **options):
        """Load the file and return the report."""
        return await self.loader.load(
            [ZoneFile(str(self.path), None)], None, mode, self.propose, **options
        )

    def records(self):
        """Return how many records the zone has, 0 when it is not there."""
        with self.node.view() as view:
            header = view.zone(parse_name("example.net."))
        return 0 if header is None else header.records
