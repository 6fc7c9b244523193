"""The machine as a benchmark sees it: processors, processor time, memory, who else is running."""

import contextlib
import os
import platform
import re
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class ProcessorTime:
    """Seconds that processes have spent."""

    user_s: float
    kernel_s: float

    def __sub__(self, other: "ProcessorTime") -> "ProcessorTime":
        return ProcessorTime(self.user_s - other.user_s, self.kernel_s - other.kernel_s)

    @property
    def all_s(self) -> float:
        """User and kernel together."""
        return self.user_s + self.kernel_s


@dataclass(frozen=True)
class Memory:
    """Proportional memory (PSS) in MiB: a page that n processes share counts 1/n in each."""

    own_mib: float
    store_mib: float
    """Mapped pages of the store's file: the page cache, which the kernel takes back at need."""


def family(process: int) -> list[int]:
    """Return *process* and all of its descendants."""
    found, waiting = [], [process]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        with contextlib.suppress(OSError):
            waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return found


def processor_time(processes: list[int]) -> ProcessorTime:
    """Return what *processes* have spent so far; the sum is exact, its parts are sampled."""
    user_s = kernel_s = exact_s = 0.0
    for pid in processes:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            user_s += int(fields[11]) * _TICK_S
            kernel_s += int(fields[12]) * _TICK_S
            for task in os.listdir(f"/proc/{pid}/task"):
                text = Path(f"/proc/{pid}/task/{task}/schedstat").read_text()
                exact_s += int(text.split()[0]) / 1e9
    sampled_s = user_s + kernel_s
    share = user_s / sampled_s if sampled_s else 0.0
    return ProcessorTime(exact_s * share, exact_s * (1 - share))


def memory(processes: list[int]) -> Memory:
    """Return the memory of *processes*, the pages of dns-node's store apart."""
    own = store = 0
    for pid in processes:
        is_store = False
        with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps") as file:
            for line in file:
                if line.startswith("Pss:"):
                    if is_store:
                        store += int(line.split()[1])
                    else:
                        own += int(line.split()[1])
                elif line[0] in "0123456789abcdef":
                    is_store = bool(re.search(r"/store/\d+/data\.mdb$", line.rstrip()))
    return Memory(own / 1024, store / 1024)


def title(process: int) -> str:
    """Return the process's name, "" when it has ended."""
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


def prefer(process: int) -> None:
    """Give the session of *process* priority over what else runs here, where that is allowed.

    With the kernel's autogroups a nice value counts only inside of one session.
    """
    with contextlib.suppress(OSError):
        Path(f"/proc/{process}/autogroup").write_text("-20")


@dataclass(frozen=True)
class Moment:
    """What all programs, and the host of a virtual machine, had taken at one time."""

    by_process: dict[int, int]
    steal: int

    @classmethod
    def now(cls, ours: set[int]) -> "Moment":
        """Return it for all processes but *ours*."""
        ticks = {}
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) not in ours:
                with contextlib.suppress(OSError):
                    fields = Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()
                    ticks[int(name)] = int(fields[11]) + int(fields[12])
        first = Path("/proc/stat").read_text().splitlines()[0].split()
        return cls(ticks, int(first[8]))

    def others_s(self, earlier: "Moment") -> float:
        """Return the seconds that other programs had since *earlier*."""
        return _TICK_S * sum(
            ticks - earlier.by_process.get(pid, 0) for pid, ticks in self.by_process.items()
        )

    def steal_s(self, earlier: "Moment") -> float:
        """Return the seconds that the host took since *earlier*."""
        return _TICK_S * (self.steal - earlier.steal)


def free_port() -> int:
    """Return a port of 127.0.0.1 where neither TCP nor UDP is in use."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = int(tcp.getsockname()[1])
            with contextlib.suppress(OSError):
                udp.bind(("127.0.0.1", port))
                return port


def describe() -> str:
    """Return one line about processor, memory and kernel."""
    model = "unknown processor"
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} processors ({' '.join(model.split())}), {memory_gib:.0f} GiB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


@contextlib.contextmanager
def workplace(given: str | None) -> Iterator[Path]:
    """Yield the directory *given*, or a new one that is removed afterwards; any server may read
    it.  SIGTERM ends the program from now on by SystemExit, so that servers are stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    directory = Path(given or tempfile.mkdtemp(prefix="dns-node-bench-")).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        if not given:
            shutil.rmtree(directory, ignore_errors=True)
