"""Run the hierarchy until Ctrl-C: ``python -m tests.end_to_end.hierarchy``."""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from . import expected, servers
from .hierarchy import Hierarchy
from .namespace import Namespace
from .place import Place, on_loopback


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.end_to_end.hierarchy",
                                     description=sys.modules[__name__].__doc__)  # fmt: skip
    parser.add_argument("--port", type=int, metavar="N",
                        help="no network namespace: 127.53.0.0/24 at port N, for a resolver that "
                        "can ask name servers at another port than 53")  # fmt: skip
    options = parser.parse_args()
    if missing := servers.missing():
        print(f"not installed: {missing}.  On Debian: apt install nsd knot bind9 bind9-utils "
              "ldnsutils", file=sys.stderr)  # fmt: skip
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    folder = Path(tempfile.mkdtemp(prefix="hierarchy-"))
    folder.chmod(0o755)
    namespace = None if options.port else Namespace()
    place = on_loopback(options.port) if options.port else Place()
    try:
        with Hierarchy(folder, place, namespace) as hierarchy:
            _tell(hierarchy)
            signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        if namespace:
            namespace.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _tell(hierarchy: Hierarchy) -> None:
    print(f"root hints    {hierarchy.hints_file()}")
    for name, address in hierarchy.hints():
        print(f"              {name} {address}, port {hierarchy.place.port}")
    print(f"trust anchor  {hierarchy.anchor_file()} (for delv: {hierarchy.delv_anchor_file()})")
    print(f"              {hierarchy.files.trust_anchor()}")
    if hierarchy.prefix:
        print(f"inside        {' '.join(hierarchy.prefix)} COMMAND")
    address, port = hierarchy.hints()[0][1], hierarchy.place.port
    print(f"for example   {' '.join(hierarchy.prefix)} dig @{address} -p {port} +norec +dnssec "
          "north. NS")  # fmt: skip
    for title, table in (
        ("secure", expected.SECURE + expected.SECURE_ABSENT), ("insecure", expected.INSECURE),
        ("bogus", expected.BOGUS), ("not to be resolved", expected.UNREACHABLE),
    ):  # fmt: skip
        print(f"\n{title}")
        print("  " + ", ".join(map(str, table)))
    print("\nCtrl-C ends it.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
