"""``dns-node backup``: copy the store of a node, running or not, into one file; and check one."""

import os
import time
from pathlib import Path

from dns_node import __version__
from dns_node.cluster.identity import FILE_NAME as IDENTITY
from dns_node.cluster.identity import open_identity
from dns_node.errors import InputError, Problem
from dns_node.store.audit import audit
from dns_node.store.backup_file import Manifest, copy_out, opened, read_manifest, write_backup


def back_up(data_dir: str, node: str, file: str) -> list[str]:
    """Write the backup *file* of *node*'s store; return what to tell.  Raises InputError and
    StoreError, and then there is no such file."""
    now_ms = time.time_ns() // 1_000_000
    path = Path(file).absolute()
    if os.path.exists(os.path.join(data_dir, IDENTITY)):
        node = open_identity(Path(data_dir)).node or node
    manifest = write_backup(Path(data_dir), path, node=node, release=__version__, now_ms=now_ms)
    return [f"{file}: {describe(manifest)}"]


def verify(file: str) -> list[str]:
    """Hold all of a backup against its checksums, open its store, and compute the digest anew;
    return what to tell.  Raises InputError with everything that is wrong."""
    path = Path(file)
    manifest = read_manifest(path)
    copy_out(path, manifest, None)
    with opened(path) as view:
        meta = view.meta()
        stated = (manifest.cluster_uuid, manifest.revision, manifest.applied_index, manifest.digest)
        if (meta.cluster_uuid, meta.revision, meta.applied_index, meta.digest.hex()) != stated:
            raise _bad(file, ["the manifest is not that of the store in it"])
        if findings := audit(view):
            raise _bad(file, findings)
        earliest = max(meta.history_horizon, 1) - 1
    return [
        f"{file}: {describe(manifest)}",
        f"digest {manifest.digest}",
        f"restore --as-of reaches back to revision {earliest}",
        "good",
    ]


def describe(manifest: Manifest) -> str:
    """Return what a backup holds, in words."""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(manifest.created_at_ms / 1000))
    return (f"revision {manifest.revision} (entry {manifest.applied_index}) of cluster "
            f"{manifest.cluster_uuid}, {manifest.zones} zones, {manifest.records} records, "
            f"{manifest.size_octets} octets, made {at} UTC on node {manifest.node}")  # fmt: skip


def _bad(file: str, findings: list[str]) -> InputError:
    return InputError([Problem(file, f"{finding}.") for finding in findings])
