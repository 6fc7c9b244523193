"""What `ps` and `ss` show of a running node."""

import re
import subprocess
from pathlib import Path

from dns_node.net.native import NATIVE, PYTHON, NoNativeError, load_core

from .cluster import Cluster
from .processes import children


def threads(pid: int) -> list[str]:
    """Return the thread titles of *pid* as `ps -T` shows them."""
    done = subprocess.run(
        ["ps", "-T", "-p", str(pid), "-o", "comm="], capture_output=True, text=True, timeout=10
    )
    return [line.strip() for line in done.stdout.splitlines()]


def udp_sockets(pid: int, port: int) -> int:
    """Return how many UDP sockets bound to *port* the process *pid* holds open."""
    inodes = {
        line.split()[9]
        for line in Path("/proc/net/udp").read_text().splitlines()[1:]
        if int(line.split()[1].rpartition(":")[2], 16) == port
    }
    found = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = handle.readlink().as_posix()
        except OSError:
            continue
        match = re.fullmatch(r"socket:\[(\d+)\]", target)
        if match and match[1] in inodes:
            found.add(match[1])
    return len(found)


def test_the_titles_say_supervisor_node_and_which_worker(three_by_two: Cluster) -> None:
    process = three_by_two.processes[0]
    titles = {pid: threads(pid) for pid in [process.pid, *children(process.pid)]}
    workers = [names[0] for pid, names in titles.items() if "worker" in names[0]]
    assert len(workers) == 2 and len(set(workers)) == 2, titles
    assert all(re.search(r"[01]$", name) for name in workers), workers
    [node] = [
        names
        for names in titles.values()
        if "node" in names[0] and "worker" not in names[0] and len(names) > 1
    ]
    assert any("store" in name for name in node), node
    assert any("journal" in name for name in node), node
    assert len(titles[process.pid]) == 1, "the supervisor has no threads"


def test_each_worker_has_a_socket_of_its_own_on_the_port(three_by_two: Cluster) -> None:
    process = three_by_two.processes[1]
    workers = process.workers()
    assert len(workers) == 2
    assert [udp_sockets(pid, three_by_two.ports[1]) for pid in workers] == [1, 1]


def test_status_names_leader_members_revision_and_log(three_by_two: Cluster) -> None:
    states = {n: three_by_two.status(n) for n in three_by_two.ports}
    assert len({state["leader"] for state in states.values()}) == 1
    for state in states.values():
        assert int(state["revision"]) > 0
        assert re.fullmatch(r"[0-9a-f]{64}", state["digest"])


def test_idle_nodes_use_little_cpu(three_by_two: Cluster) -> None:
    import time

    from .processes import cpu_seconds
    from .waiting import eventually

    pids = [pid for p in three_by_two.processes.values() for pid in [p.pid, *children(p.pid)]]
    three_by_two.wait_equal()
    before, since_s = {pid: cpu_seconds(pid) for pid in pids}, time.monotonic()
    eventually(lambda: time.monotonic() - since_s > 3, 10)
    span_s = time.monotonic() - since_s
    for pid in pids:
        share = (cpu_seconds(pid) - before[pid]) / span_s
        assert share < 0.3, f"process {pid} uses {share:.0%} of a core while nothing happens"


def data_path_here() -> str:
    """Return which data path workers have here."""
    try:
        load_core()
    except NoNativeError:
        return PYTHON
    return NATIVE


def test_the_start_and_status_say_the_data_path_and_how_long_answers_take(
    three_by_two: Cluster,
) -> None:
    expected = data_path_here()
    process = three_by_two.processes[0]
    process.out.wait_for(rf"^data path: {expected}( \(.+\))?$", 0, 20)
    assert three_by_two.values(0, "example.com", "MX")
    assert three_by_two.status(0)["data path"].startswith(expected)
    rows = three_by_two.done(0, "STATUS").out
    assert re.search(r"^worker \d: .*, latency p50 \d+ us, p99 \d+ us$", rows, re.MULTILINE), rows
