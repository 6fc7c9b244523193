"""A fault on the way of a batch: it is said, and the socket is read again."""

import socket

from twisted.internet.task import Clock

from dns_node.answer.respond import AnswerSettings
from dns_node.metrics import Counters
from dns_node.net.answering import Answering
from dns_node.net.udp import UdpReader


class Reactor(Clock):
    """A clock that keeps which readers it has."""

    def __init__(self):
        super().__init__()
        self.readers = set()
        self.addReader = self.readers.add
        self.removeReader = self.readers.discard


def test_a_fault_leaves_the_socket_watched(monkeypatch):
    reports = []
    answering = Answering(Counters(), lambda what, error: reports.append(str(error)))
    answering.settings = AnswerSettings()
    reactor = Reactor()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.setblocking(False)
        reader = UdpReader(udp, answering, is_wildcard=False)
        reader.start(reactor)
        turns = iter((200, OSError("first"), 200, OSError("second")))

        def answer_batch():
            turn = next(turns)
            if isinstance(turn, Exception):
                raise turn
            return turn

        monkeypatch.setattr(reader, "_answer_batch", answer_batch)
        reader.doRead()  # busy: it takes turns in place of being watched
        assert not reactor.readers
        reactor.advance(1)
        assert reactor.readers == {reader} and reports == ["first"]
        reader.doRead()
        reactor.advance(1)
        assert reactor.readers == {reader} and reports == ["first", "second"]


def test_what_waits_at_a_socket_is_counted_about():
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        udp.bind(("127.0.0.1", 0))
        reader = UdpReader(udp, Answering(Counters(), print), is_wildcard=False)
        assert reader.waiting() == 0
        for _ in range(100):
            client.sendto(b"x" * 40, udp.getsockname())
        assert 50 <= reader.waiting() <= 200
