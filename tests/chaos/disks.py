"""One small disk per node, a file system of its own that can fill up, stall and lose its power.

An ext4 image on a loop device.  Power is lost by ext4's own shutdown call, which discards what is
not on the device: after the next mount there is what was synced, and what the kernel happened to
have written out before.
"""

import fcntl
import os
import struct
import time
from pathlib import Path

from tests.chaos.cleanup import Cleanup
from tests.chaos.network import CannotRun, run

SIZE_MIB = 384
FS_IOC_SHUTDOWN = 0x8004587D
WITHOUT_FLUSHING = struct.pack("I", 2)
FIFREEZE, FITHAW = 0xC0045877, 0xC0045878
UNMOUNT_S = 10.0


class Disk:
    """The file system at *folder*, on the image *image*; both are made here.  CannotRun when the
    machine has no ext4, no loop devices or no root."""

    def __init__(self, folder: Path, image: Path, cleanup: Cleanup):
        self.folder, self._image = folder, image
        self.is_dead = False
        self.power_losses = 0
        """How often it was mounted anew after one."""
        self._frozen: int | None = None
        if not Path("/dev/loop-control").exists():
            raise CannotRun("this kernel has no loop devices")
        folder.mkdir(parents=True, exist_ok=True)
        with image.open("wb") as file:
            file.truncate(SIZE_MIB << 20)
        run("mkfs.ext4", "-q", "-m", "0", str(image))
        cleanup.later(self._remove)
        self._mount()
        (folder / "lost+found").rmdir()

    def _mount(self) -> None:
        # commit: what nobody syncs stays in memory for long, and is lost with the power.
        options = "loop,discard,noatime,commit=60"
        run("mount", "-t", "ext4", "-o", options, str(self._image), str(self.folder))

    def lose_power(self) -> None:
        """Lose what is not synced; from now on every access to the disk fails."""
        self._call(FS_IOC_SHUTDOWN, WITHOUT_FLUSHING)
        self.is_dead = True

    def power_on(self) -> None:
        """Mount the disk anew, with what is on it; no process may use it now."""
        end_s = time.monotonic() + UNMOUNT_S
        while True:
            try:
                run("umount", str(self.folder))
                break
            except CannotRun:
                if time.monotonic() > end_s:
                    raise
                time.sleep(0.05)
        self._mount()
        self.is_dead = False
        self.power_losses += 1

    def freeze(self) -> None:
        """Hold every write and sync from now on, until `thaw`."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, FIFREEZE, struct.pack("i", 0))
        except BaseException:
            os.close(descriptor)
            raise
        self._frozen = descriptor

    def thaw(self) -> None:
        """Let writes go on; nothing when it is not frozen."""
        if self._frozen is not None:
            fcntl.ioctl(self._frozen, FITHAW, struct.pack("i", 0))
            os.close(self._frozen)
            self._frozen = None

    def _call(self, number: int, argument: bytes) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, number, argument)
        finally:
            os.close(descriptor)

    def _remove(self) -> None:
        self.thaw()
        try:
            run("umount", str(self.folder))
        except CannotRun:
            run("umount", "-l", str(self.folder))


def make_disks(folders: list[Path], images: Path, cleanup: Cleanup) -> list[Disk]:
    """Return a disk for each of *folders*, their images in memory below *images*: a sync is fast
    unless a fault makes it slow."""
    images.mkdir(parents=True)
    size = f"size={(SIZE_MIB + 16) * len(folders)}m"
    run("mount", "-t", "tmpfs", "-o", size, "chaos", str(images))
    cleanup.later(run, "umount", "-l", str(images))
    return [Disk(folder, images / str(n), cleanup) for n, folder in enumerate(folders)]
