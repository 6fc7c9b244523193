"""The disks lose what was not synced, and nothing else; they stall and fill up."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.cleanup import Cleanup
from tests.chaos.disk_faults import allocate
from tests.chaos.disks import Disk, make_disks
from tests.chaos.network import CannotRun, check_tools


@pytest.fixture()
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk for one test."""
    with Cleanup() as cleanup:
        try:
            check_tools()
            (made,) = make_disks([tmp_path / "disk"], tmp_path / "images", cleanup)
        except CannotRun as error:
            pytest.skip(str(error))
        yield made
    assert str(tmp_path) not in Path("/proc/mounts").read_text()


def write(path: Path, text: str, is_synced: bool) -> None:
    with path.open("w") as file:
        file.write(text)
        file.flush()
        if is_synced:
            os.fsync(file.fileno())


def test_a_power_loss_takes_what_was_not_synced(disk: Disk) -> None:
    write(disk.folder / "kept", "one", is_synced=True)
    write(disk.folder / "lost", "two", is_synced=False)
    disk.lose_power()
    with pytest.raises(OSError):
        write(disk.folder / "late", "three", is_synced=True)
    disk.power_on()
    assert os.listdir(disk.folder) == ["kept"]
    assert (disk.folder / "kept").read_text() == "one"


def test_a_frozen_disk_lets_no_sync_end(disk: Disk) -> None:
    disk.freeze()
    thread = threading.Thread(target=write, args=(disk.folder / "name", "text", True), daemon=True)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    disk.thaw()
    thread.join(10)
    assert not thread.is_alive()


def test_a_disk_can_be_filled_to_the_last_octet(disk: Disk) -> None:
    with (disk.folder / "ballast").open("wb") as file:
        end = 0
        for size in (1 << 24, 1 << 20, 1 << 12):
            while allocate(file.fileno(), end, size):
                end += size
        with pytest.raises(OSError, match="No space left"):
            write(disk.folder / "more", "x" * 5000, is_synced=True)
