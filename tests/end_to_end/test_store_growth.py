"""The store of an idle node holds no pages that nobody needs."""

import lmdb

from .conftest import ClusterOf
from .waiting import eventually


def test_no_process_keeps_looking_at_an_old_revision(cluster_of: ClusterOf) -> None:
    cluster = cluster_of()
    cluster.start_all(zones=False)
    for i in range(30):
        cluster.done(i % 3, "ADD:", f"host{i}.example.test", "A", "192.0.2.1")

    def lookers(n: int) -> list[str]:
        """The readers of node *n* that look at a revision; a native worker keeps its place in the
        table of readers between its looks, and is listed with a dash."""
        path = str(cluster.data_dir(n) / "store" / "1")
        environment = lmdb.open(path, max_dbs=16, readonly=True, max_readers=512)
        try:
            lines = environment.readers().splitlines()
        finally:
            environment.close()
        rows = [line.split() for line in lines]
        return [" ".join(row) for row in rows if row[0].isdigit() and row[-1] != "-"]

    # Each of them would keep LMDB from using a single page again, for as long as the node runs.
    eventually(
        lambda: [lookers(n) for n in cluster.ports] == [[]] * 3,
        10,
        "all readers to let go",
        0.1,
    )
