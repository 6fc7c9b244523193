"""What the node says about ticks that came late."""

from twisted.internet.task import Clock

from dns_node.control.pauses import BEAT_S, RECENT_S, Pauses


class Machine:
    """A clock whose processor time is moved by hand."""

    def __init__(self):
        self.clock, self.cpu_s = Clock(), 0.0
        self.pauses = Pauses(self.clock, self.clock.seconds, lambda: self.cpu_s)
        self.pauses.start()

    def idle(self, seconds):
        """Let time pass in which every beat comes as it should."""
        for _ in range(round(seconds / BEAT_S)):
            self.clock.advance(BEAT_S)

    def block(self, seconds, cpu_s):
        """Let the next beat come late."""
        self.cpu_s += cpu_s
        self.clock.advance(BEAT_S + seconds)


def test_a_reactor_that_is_in_time_has_no_pauses():
    machine = Machine()
    machine.idle(1)
    assert set(machine.pauses.status().values()) == {0}


def test_a_pause_that_the_process_made_itself_is_told_from_one_that_the_machine_made():
    machine = Machine()
    machine.block(0.08, cpu_s=0.01)
    machine.block(0.06, cpu_s=0.2)
    assert machine.pauses.status() == {
        "longest pause ms": 80, "own ms": 60, "recent pause ms": 80, "recent own ms": 60,
        "over 50 ms": 2, "own over 50 ms": 1,
    }  # fmt: skip


def test_after_ten_seconds_a_pause_is_no_longer_recent():
    machine = Machine()
    machine.block(0.3, cpu_s=0.3)
    machine.idle(RECENT_S + 1)
    status = machine.pauses.status()
    assert status["longest pause ms"] == 300 and status["recent pause ms"] == 0


def test_it_beats_no_more_once_it_is_stopped():
    machine = Machine()
    machine.pauses.stop()
    assert machine.clock.getDelayedCalls() == []
