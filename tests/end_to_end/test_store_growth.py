"""The store of an idle node holds no pages that nobody needs."""

import lmdb

from .conftest import ClusterOf
from .waiting import eventually


def test_no_process_keeps_looking_at_an_old_revision(cluster_of: ClusterOf) -> None:
    cluster = cluster_of()
    cluster.start_all(zones=False)
    for i in range(30):
        cluster.done(i % 3, "ADD:", f"host{i}.example.test", "A", "192.0.2.1")

    def readers(n: int) -> str:
        path = str(cluster.data_dir(n) / "store" / "1")
        environment = lmdb.open(path, max_dbs=16, readonly=True, max_readers=512)
        try:
            return environment.readers().strip()
        finally:
            environment.close()

    # Each of them would keep LMDB from using a single page again, for as long as the node runs.
    eventually(
        lambda: [readers(n) for n in cluster.ports] == ["(no active readers)"] * 3,
        10,
        "all readers to let go",
        0.1,
    )
