"""How the rows of a large zone file go ahead of the change that publishes them."""

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from dns_node.cluster.command import Done, PublishRows, Refused, StageRows
from dns_node.control.api import Answer
from dns_node.control.loader import SLICES_AHEAD, STAGED_RECORDS_MIN

from .file_case import FileCase, zone_text


class LargeFileTest(FileCase):
    """A file of so many records that they are staged; every answer is given one turn later."""

    def setUp(self) -> None:
        """Write the file."""
        super().setUp()
        self.path.write_text(zone_text(STAGED_RECORDS_MIN))
        self.sent: list[object] = []
        self.in_flight = self.most_in_flight = 0
        self.refused_at = 0

    async def propose(self, operations, reason):
        """Carry out what is proposed, or refuse the slice that is to be refused."""
        from twisted.internet import reactor

        self.sent += operations
        number = len(self.sent)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await deferLater(reactor, 0)
        self.in_flight -= 1
        if number == self.refused_at:
            return Answer(Refused(("no",)))
        return await super().propose(operations, reason)

    def test_some_slices_are_under_way_at_once_and_all_are_there_before_they_are_published(self):
        async def story() -> None:
            report = await self.load()
            assert isinstance(report.answers[0].outcome, Done), report
            assert self.records() == STAGED_RECORDS_MIN + 2
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
            assert self.records() == 0

        return Deferred.fromCoroutine(story())
