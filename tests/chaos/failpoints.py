"""The named steps at which a node process can be told to end; see seam/sitecustomize.py."""

import uuid
from pathlib import Path

from tests.chaos.seam.sitecustomize import POINTS

SEAM = Path(__file__).resolve().parent / "seam"
BY_EVERY_CHANGE = ("journal-write", "ack-release", "forward", "apply", "store-commit", "reply")
NOW_AND_THEN = ("store-sync", "journal-trim", "garbage", "fsync")
AT_START = ("journal-open", "store-open", "vote")
BY_SNAPSHOT = (
    "snapshot-chunk", "snapshot-finish", "generation-adopt", "generation-point", "journal-adopt",
    "fsync", "rename", "replace",
)  # fmt: skip
MOMENTS = ("before", "after")

assert {*BY_EVERY_CHANGE, *NOW_AND_THEN, *AT_START, *BY_SNAPSHOT} == set(POINTS)


class Failpoint:
    """What node process ends where: *folder* is the one that its environment names."""

    def __init__(self, folder: Path):
        self._armed, self._hit = folder / "armed", folder / "hit"
        self._what = ""
        folder.mkdir(parents=True, exist_ok=True)

    def arm(self, step: str, count: int, action: str) -> None:
        """End the node process at the *count*th *step* ("apply:before") from now on, once;
        *action* is kill or power."""
        self.disarm()
        self._what = f"{step} ({action})"
        fresh = self._armed.with_name("fresh")
        fresh.write_text(f"{uuid.uuid4().hex} {step} {count} {action}\n")
        fresh.rename(self._armed)

    def is_hit(self) -> bool:
        """Say whether the process ended there."""
        return self._hit.exists()

    def disarm(self) -> str:
        """End nothing any more; return which step was hit, '' for none."""
        self._armed.unlink(missing_ok=True)
        if not self._hit.exists():
            return ""
        self._hit.unlink()
        return self._what
