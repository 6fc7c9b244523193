"""The supervisor: makes the sockets, drops root, starts node and workers, restarts the dead.

It has no threads, no LMDB, no DNS and no Twisted, so that there is little in it that can fail:
when it ends, even by ``kill -9``, the kernel ends everything else (DESIGN section 2).
"""

import contextlib
import os
import select
import signal
import socket
import sys
import termios
import time
from typing import Any

from dns_node.errors import InputError
from dns_node.net.sockets import bind_worker, settle
from dns_node.supervise import data_directory, pipe, privileges, process
from dns_node.supervise.block import make_block
from dns_node.supervise.launch import EXIT_CONFIGURATION, Launch, start_text
from dns_node.supervise.notes import Notes
from dns_node.supervise.slots import NodeSlot, WorkerSlot

__all__ = ["EXIT_CONFIGURATION", "Launch", "run"]

_STOPPING = (signal.SIGTERM, signal.SIGINT)
_FOR_THE_NODE = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_RELAYED = (*_STOPPING, *_FOR_THE_NODE, signal.SIGCHLD)


def run(launch: Launch) -> int:
    """Run the node until it ends; return the process's exit status.

    0 after SIGTERM, SIGINT or the node's own end; 78 when the node said that it can't run so.
    Raises InputError when the data directory, the user or an address can't be had; nothing was
    started then.
    """
    user = privileges.find_user(launch.user) if launch.user else None
    user = user if privileges.may_become_another() else None
    data_directory.make(launch.data_dir, user)
    if user is not None:
        # Before the first bind: see privileges.become.
        privileges.become(user)
    data_directory.check_writable(launch.data_dir)
    lock = data_directory.lock(launch.data_dir)
    try:
        addresses = settle(launch.addresses)
        supervisor = Supervisor(launch, addresses, lock)
        return supervisor.run()
    finally:
        os.close(lock)


class Supervisor:
    """The loop: one poll over the signals and the node's channel, and the times that are due."""

    def __init__(self, launch: Launch, addresses: tuple[tuple[str, int], ...], lock: int):
        self._launch = launch
        self._addresses = addresses
        self._lock = lock
        self._notes = Notes(sys.stderr, launch.log_format)
        self._node = NodeSlot(pipe.make_pair())
        self._block = make_block(launch.workers)
        self._workers = [WorkerSlot.make(number, addresses) for number in range(launch.workers)]
        self._worker_settings: dict[str, Any] = dict(launch.worker_settings)
        self._is_serving = data_directory.has_store(launch.data_dir)
        self._stop_stage = ""
        self._stop_deadline_s = 0.0
        self._exit_status = 0
        self._terminal_state = _terminal_state()

    # ---- the loop

    def run(self) -> int:
        """Start everything, keep it running, and return the exit status when all has ended."""
        process.set_title("dns-supervisor")
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        old_wakeup = signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        old = {number: signal.signal(number, lambda *_: None) for number in _RELAYED}
        try:
            self._start_due(time.monotonic())
            self._loop(wake_read)
            return self._exit_status
        finally:
            self._kill_all()
            signal.set_wakeup_fd(old_wakeup)
            for number, handler in old.items():
                signal.signal(number, handler)
            os.close(wake_read)
            os.close(wake_write)
            for worker in self._workers:
                worker.close()
            self._node.close()
            os.close(self._block)

    def _loop(self, wake: int) -> None:
        channel = self._node.pair.near
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        poll.register(channel, select.POLLIN)
        while self._stop_stage != "ended":
            timeout_s = self._next_due_s() - time.monotonic()
            for descriptor, _ in poll.poll(max(0.0, min(timeout_s, 60.0)) * 1000 + 1):
                if descriptor == wake:
                    self._on_signals(os.read(wake, 512))
                else:
                    self._on_node_messages(channel)
            now_s = time.monotonic()
            self._reap(now_s)
            self._start_due(now_s)
            self._advance_stop(now_s)

    @property
    def _slots(self) -> tuple[NodeSlot | WorkerSlot, ...]:
        return (self._node, *self._workers)

    def _next_due_s(self) -> float:
        due = [slot.due_s for slot in self._slots if slot.child is None and self._may_start(slot)]
        if self._stop_stage:
            due.append(self._stop_deadline_s)
        return min(due, default=time.monotonic() + 60.0)

    # ---- starting

    def _may_start(self, slot: NodeSlot | WorkerSlot) -> bool:
        if self._stop_stage:
            return False
        return slot is self._node or self._is_serving

    def _start_due(self, now_s: float) -> None:
        for worker in self._workers:
            if worker.child is None and worker.due_s <= now_s and self._may_start(worker):
                self._start_worker(worker, now_s)
        node = self._node
        if node.child is None and node.due_s <= now_s and self._may_start(node):
            self._start_node(now_s)

    def _start_node(self, now_s: float) -> None:
        node = self._node
        channels = [worker.pair.far for worker in self._workers]
        node.pair.drain(node.pair.far)
        for worker in self._workers:
            worker.pair.drain(worker.pair.far)
        text = start_text({
            "node": self._launch.node,
            "config": self._launch.config,
            "data_dir": self._launch.data_dir,
            "addresses": [list(address) for address in self._addresses],
            "workers": [
                {"control": worker.pair.far.fileno(), "counters": worker.counters}
                for worker in self._workers
            ],
            "supervisor": node.pair.far.fileno(),
            "lock": self._lock,
            "limits": self._block,
            "starts": node.starts,
            "arguments": self._launch.arguments,
        })  # fmt: skip
        descriptors = [
            node.pair.far.fileno(), self._lock, self._block,
            *(end.fileno() for end in channels), *(worker.counters for worker in self._workers),
        ]  # fmt: skip
        try:
            node.child = process.start_child(
                self._launch.node_command, text, descriptors, is_foreground=True
            )
        except OSError as error:
            node.due_s = now_s + node.plan.on_death(now_s)
            self._notes.say("error", f"the node process can't be started: {error}")
            return
        node.starts += 1
        node.plan.on_start(now_s)
        for worker in self._workers:
            pipe.send(worker.pair.far, {"event": "node", "state": "started"})
            if worker.child is not None:
                self._tell_node(worker, "started")

    def _start_worker(self, worker: WorkerSlot, now_s: float) -> None:
        try:
            if worker.sockets is None:
                worker.sockets = bind_worker(self._addresses)
            worker.pair.drain(worker.pair.near)
            text = start_text({
                "worker": worker.number,
                "udp": [bound.description() for bound in worker.sockets.udp],
                "tcp": [bound.description() for bound in worker.sockets.tcp],
                "control": worker.pair.near.fileno(),
                "counters": worker.counters,
                "limits": self._block,
                "store": os.path.join(self._launch.data_dir, "store"),
                "node": self._launch.node,
                "settings": self._worker_settings,
            })  # fmt: skip
            descriptors = [
                *worker.sockets.descriptors(), worker.pair.near.fileno(), worker.counters,
                self._lock, self._block,
            ]  # fmt: skip
            worker.child = process.start_child(
                self._launch.worker_command, text, descriptors, is_foreground=False
            )
        except (OSError, InputError) as error:
            worker.due_s = now_s + max(0.5, worker.plan.on_death(now_s))
            self._notes.say("error", f"worker {worker.number} can't be started: {error}")
            return
        worker.plan.on_start(now_s)
        self._tell_node(worker, "started")

    # ---- deaths

    def _reap(self, now_s: float) -> None:
        for worker in self._workers:
            if worker.child is not None and worker.child.poll() is not None:
                self._on_worker_end(worker, worker.child.returncode, now_s)
        node = self._node
        if node.child is not None and node.child.poll() is not None:
            self._on_node_end(node.child.returncode, now_s)

    def _on_worker_end(self, worker: WorkerSlot, returncode: int, now_s: float) -> None:
        self._tell_node(worker, "ended", process.end_text(returncode))
        worker.child = None
        if self._stop_stage:
            return
        delay_s = worker.plan.on_death(now_s)
        worker.due_s = now_s + delay_s
        what = f"worker {worker.number} ended by {process.end_text(returncode)}; "
        if worker.plan.is_failing:
            # An open socket that nobody reads swallows its share of the queries.
            worker.close_sockets()
            what += f"its sockets are closed and it is started again in {delay_s:g} s"
        else:
            what += "it is started again"
        self._notes.say("error", what)

    def _on_node_end(self, returncode: int, now_s: float) -> None:
        self._on_node_messages(self._node.pair.near)
        self._node.child = None
        self._restore_terminal()
        if self._stop_stage:
            return
        if returncode in (0, EXIT_CONFIGURATION):
            self._exit_status = returncode
            self._begin_stop(now_s)
            return
        delay_s = self._node.plan.on_death(now_s)
        self._node.due_s = now_s + delay_s
        when = f"in {delay_s:g} s" if delay_s else "at once"
        self._notes.say("error", f"the node process ended by {process.end_text(returncode)}; "
                                 f"it is started again {when}, the workers answer on")  # fmt: skip

    # ---- messages and signals

    def _tell_node(self, worker: WorkerSlot, state: str, how: str = "") -> None:
        message = {"event": "worker", "worker": worker.number, "state": state}
        if worker.child is not None:
            message["pid"] = worker.child.pid
        if how:
            message["how"] = how
        pipe.send(self._node.pair.near, message)

    def _on_node_messages(self, channel: socket.socket) -> None:
        while (message := pipe.receive(channel)) is not None:
            if message.get("serve"):
                self._is_serving = True
            if isinstance(settings := message.get("settings"), dict):
                self._worker_settings = settings
            replaced = message.get("replace")
            for worker in self._workers:
                if worker.number == replaced and worker.child is not None:
                    self._notes.say("error", f"worker {worker.number} is replaced: "
                                             f"{message.get('why', 'it hangs')}")  # fmt: skip
                    worker.child.kill()

    def _on_signals(self, numbers: bytes) -> None:
        for number in numbers:
            if number in _STOPPING:
                if self._stop_stage:
                    # Asked twice: whoever asks does not want to wait.
                    self._stop_deadline_s = time.monotonic()
                else:
                    pipe.send(self._node.pair.near, {"event": "stop"})
                    self._begin_stop(time.monotonic())
            elif number == signal.SIGHUP and self._lost_terminal():
                self._begin_stop(time.monotonic())
            elif number in _FOR_THE_NODE and self._node.child is not None:
                self._node.child.send_signal(number)

    def _lost_terminal(self) -> bool:
        # SIGHUP means "reload", but also "the terminal window was closed": then the terminal
        # that this process had answers no more, and a node without a window must not linger.
        if self._terminal_state is None:
            return False
        try:
            os.tcgetpgrp(0)
        except OSError:
            return True
        return False

    def _restore_terminal(self) -> None:
        # A node that was killed while a line was being edited leaves the terminal without echo.
        if self._terminal_state is not None and not self._lost_terminal():
            with contextlib.suppress(termios.error, OSError):
                if os.tcgetpgrp(0) == os.getpgrp():
                    termios.tcsetattr(0, termios.TCSANOW, self._terminal_state)

    # ---- stopping

    def _begin_stop(self, now_s: float) -> None:
        """First the node, while the workers still answer; then the workers."""
        if self._stop_stage:
            return
        self._notes.notify("STOPPING=1")
        self._stop_stage = "node"
        self._stop_deadline_s = now_s + self._launch.stop_node_s
        if self._node.child is not None:
            self._node.child.terminate()
        self._advance_stop(now_s)

    def _advance_stop(self, now_s: float) -> None:
        if self._stop_stage == "node":
            if self._node.child is not None:
                self._kill_late([self._node], now_s)
                return
            self._stop_stage = "workers"
            self._stop_deadline_s = now_s + self._launch.stop_workers_s
            for worker in self._workers:
                if worker.child is not None:
                    worker.child.terminate()
        if self._stop_stage == "workers":
            if any(worker.child is not None for worker in self._workers):
                self._kill_late(self._workers, now_s)
                return
            self._stop_stage = "ended"

    def _kill_late(self, slots: list[Any], now_s: float) -> None:
        if now_s < self._stop_deadline_s:
            return
        for slot in slots:
            if slot.child is not None:
                self._notes.say("warning", f"{slot.name} did not stop in time and is killed")
                slot.child.kill()
        self._stop_deadline_s = now_s + 5.0

    def _kill_all(self) -> None:
        for slot in self._slots:
            if slot.child is not None:
                with contextlib.suppress(ProcessLookupError):
                    slot.child.kill()
                slot.child.wait()
                slot.child = None


def _terminal_state() -> list[Any] | None:
    """Return the settings of the terminal that is standard input; None when it is none."""
    try:
        return termios.tcgetattr(0)
    except (termios.error, ValueError):
        return None
