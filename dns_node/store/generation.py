"""Store generations: ``store/N/`` beside ``store/CURRENT``, so that a snapshot is installed by a
switch that is on disk before anyone follows it."""

import os
import shutil
from pathlib import Path

from dns_node.errors import StoreError


def store_directory(data_directory: Path) -> Path:
    """Return where the generations lie."""
    return data_directory / "store"


def current_generation(data_directory: Path) -> int | None:
    """Return the number of the current generation, None when there is no store yet.

    Raises StoreError when CURRENT is there but says nothing usable.
    """
    pointer = store_directory(data_directory) / "CURRENT"
    try:
        text = pointer.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"cannot read {pointer}: {error}.") from error
    if not text.isdigit():
        raise StoreError(
            f"{pointer} holds {text[:20]!r}, not the number of a generation. Write the highest "
            "number among the directories beside it into it."
        )
    return int(text)


def generation_path(data_directory: Path, generation: int) -> Path:
    """Return the directory of the LMDB environment of *generation*."""
    return store_directory(data_directory) / str(generation)


def point_at(data_directory: Path, generation: int) -> None:
    """Make *generation* the current one, durably; raises StoreError when the disk refuses."""
    directory = store_directory(data_directory)
    fresh = directory / "CURRENT.new"
    try:
        with open(fresh, "w", encoding="ascii") as file:
            file.write(f"{generation}\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, directory / "CURRENT")
        sync_directory(directory)
    except OSError as error:
        raise StoreError(f"cannot write {directory}/CURRENT: {error.strerror}.") from error


def adopt(data_directory: Path, copy: Path) -> int:
    """Move the environment *copy* (a directory with ``data.mdb``, on the same file system) in as a
    new generation, point at it, and return its number.  Raises StoreError; the old one is then
    still current."""
    directory = store_directory(data_directory)
    try:
        generation = 1 + max(numbers(data_directory), default=0)
        target = generation_path(data_directory, generation)
        with open(copy / "data.mdb", "rb") as file:
            os.fsync(file.fileno())
        sync_directory(copy)
        os.rename(copy, target)
        sync_directory(directory)
    except OSError as error:
        raise StoreError(f"cannot install the store {copy}: {error.strerror}.") from error
    point_at(data_directory, generation)
    return generation


def remove_others(data_directory: Path) -> list[int]:
    """Remove every generation but the current one; return their numbers."""
    current = current_generation(data_directory)
    gone = [number for number in numbers(data_directory) if number != current]
    for number in gone:
        shutil.rmtree(generation_path(data_directory, number), ignore_errors=True)
    return gone


def sync_current(data_directory: Path, generation: int) -> None:
    """Make durable that *generation* is there and current (but not that *data_directory* names
    the stores: the journal's start sees to it); raises StoreError."""
    path = generation_path(data_directory, generation)
    try:
        sync_directory(path)
        sync_directory(path.parent)
    except OSError as error:
        raise StoreError(f"cannot sync {path}: {error.strerror}.") from error


def numbers(data_directory: Path) -> list[int]:
    """Return the numbers of all generations on disk."""
    directory = store_directory(data_directory)
    return sorted(int(entry.name) for entry in directory.iterdir() if entry.name.isdigit())


def sync_directory(directory: Path) -> None:
    """Make the entries of *directory* durable; raises OSError."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
