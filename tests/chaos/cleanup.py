"""What has to be undone at the end, last thing first, whatever happened in between."""

import contextlib
from collections.abc import Callable
from typing import Any


class Cleanup:
    """Calls to make at the end; as a context manager it makes them on the way out."""

    def __init__(self) -> None:
        self._calls = contextlib.ExitStack()

    def later(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Have *call* made at the end, before those that were asked for earlier.  What it raises
        ends nothing: the others are made all the same."""
        self._calls.callback(_attempt, call, *arguments)

    def __enter__(self) -> "Cleanup":
        return self

    def __exit__(self, *_: object) -> None:
        self._calls.close()


def _attempt(call: Callable[..., Any], *arguments: Any) -> None:
    try:
        call(*arguments)
    except Exception as error:
        print(f"cleaning up: {error}", flush=True)
