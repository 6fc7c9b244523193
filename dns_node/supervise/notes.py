"""What the supervisor says: a line per event, without the node's logging."""

import json
from typing import TextIO

from dns_node.sd_notify import notify


class Notes:
    """Writes to standard error in the configured log format."""

    def __init__(self, stream: TextIO, log_format: str):
        self._stream = stream
        self._is_json = log_format == "json"

    def say(self, level: str, text: str) -> None:
        """Write one line; never raises (a closed terminal must not end the node)."""
        if self._is_json:
            line = json.dumps({"level": level, "log": "supervisor", "message": text})
        else:
            line = f"supervisor: {level}: {text}"
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return

    def notify(self, state: str) -> None:
        """Tell the service manager, if there is one."""
        notify(state)
