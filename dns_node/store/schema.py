"""Which stores this release reads: every release reads its own schema and the one before it.

A store's schema is the cluster's: a log entry raises it on all nodes, once every one of them reads
the newer one.  Up to then a node may go back to the release before.
"""

from dns_node.errors import StoreError
from dns_node.store.layout import OLDEST_SCHEMA, STORE_SCHEMA
from dns_node.store.lmdb_view import Tables

READABLE = frozenset(range(OLDEST_SCHEMA, STORE_SCHEMA + 1))
"""Schema 1 is the first one."""


def check_schema(tables: Tables) -> None:
    """Return when this release reads the store; else close it and raise StoreError."""
    with tables.environment.begin() as transaction:
        state = transaction.get(b"state", db=tables.meta)
    found = None if state is None else int.from_bytes(state[:2], "big")
    if found in READABLE:
        return
    tables.close()
    raise StoreError(f"the store {tables.path} has {wrong_schema(found)}")


def wrong_schema(found: int | None) -> str:
    """Return what to say of a store whose schema is *found* (None: it says nothing)."""
    if found is None:
        return "no schema: it is damaged, or no store."
    if found > STORE_SCHEMA:
        cure = "A newer release wrote it; run that one, or a still newer one."
    else:
        cure = f"Run a release that reads both {found} and the next schema first."
    return f"schema {found}, and this release reads {max(READABLE)}. {cure}"
