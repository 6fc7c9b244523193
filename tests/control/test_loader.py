"""How the rows of a large zone file go ahead of the change that publishes them."""

import shutil
import tempfile
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from dns_node.cluster.command import Done, PublishRows, Refused, StageRows
from dns_node.config.schema import ZoneFile
from dns_node.control.api import Answer
from dns_node.control.compose import Asker, compose
from dns_node.control.loader import SLICES_AHEAD, STAGED_RECORDS_MIN, Loader
from dns_node.zone.names import parse_name

from .fake_node import FakeNode

APEX = parse_name("example.net.")


class LargeFileTest(TestCase):
    """A file of so many records that they are staged; every answer is given one turn later."""

    timeout = 30

    def setUp(self) -> None:
        """Make a node and a file."""
        self.folder = Path(tempfile.mkdtemp(prefix="dns-node-files-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.node = FakeNode(self.folder / "data")
        self.addCleanup(self.node.close)
        self.path = self.folder / "example.net.zone"
        lines = [f"h{n} A 10.0.{n // 250}.{n % 250}\n" for n in range(STAGED_RECORDS_MIN)]
        self.path.write_text("$ORIGIN example.net.\n@ SOA ns h 1 2 3 4 5\n@ NS ns.example.org.\n"
                             + "".join(lines))  # fmt: skip
        self.sent: list[object] = []
        self.in_flight = self.most_in_flight = 0
        self.refused_at = 0

    async def propose(self, operations, reason):
        """Carry out what is proposed, or refuse the slice that is to be refused."""
        from twisted.internet import reactor

        (operation,) = operations
        self.sent.append(operation)
        number = len(self.sent)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await deferLater(reactor, 0)
        self.in_flight -= 1
        if number == self.refused_at:
            return Answer(Refused(("no",)))
        return await self.node.propose(self.command(operations))

    def command(self, operations):
        with self.node.view() as view:
            return compose(self.node, view, operations, Asker("file"))

    async def load(self):
        loader = Loader("0", self.node.machine.writer.reader())
        file = ZoneFile(str(self.path), None)
        return await loader.load([file], None, None, self.propose)

    def zone(self):
        with self.node.view() as view:
            return view.zone(APEX)

    def test_some_slices_are_under_way_at_once_and_all_are_there_before_they_are_published(self):
        async def story() -> None:
            report = await self.load()
            assert isinstance(report.answers[0].outcome, Done), report
            assert self.zone().records == STAGED_RECORDS_MIN + 2
            *slices, last = self.sent
            assert isinstance(last, PublishRows)
            assert len(slices) > SLICES_AHEAD
            assert all(isinstance(each, StageRows) for each in slices)
            assert self.most_in_flight == SLICES_AHEAD

        return Deferred.fromCoroutine(story())

    def test_after_a_slice_that_is_refused_nothing_more_is_sent_and_nothing_published(self):
        async def story() -> None:
            self.refused_at = 2
            report = await self.load()
            assert report.answers[0].outcome == Refused(("no",))
            assert len(self.sent) <= 1 + SLICES_AHEAD
            assert self.in_flight == 0
            assert self.zone() is None

        return Deferred.fromCoroutine(story())
