"""The zones and the question files of the benchmark: always the same octets.

Names are ``n0000000`` and so on, all of one length.  Of twenty: 15 A, 2 AAAA, 1 MX, 1 TXT and
1 CNAME to an A name.
"""

import ipaddress
import random
from dataclasses import dataclass
from pathlib import Path

_BY_REMAINDER = {0: "MX", 1: "TXT", 2: "CNAME", 3: "AAAA", 4: "AAAA"}
_IPV6_FIRST = int(ipaddress.IPv6Address("2001:db8::1"))


@dataclass(frozen=True)
class BenchZone:
    """One zone on disk and what is asked about it."""

    origin: str
    name_count: int
    path: Path
    question_files: dict[str, Path]
    """By load: "existing", "non-existent" and "hot" (1,000 of the names)."""

    def sample(self, count: int) -> list[tuple[str, str, list[str]]]:
        """Return (name, type, the answer's records as text) for *count* names over all types."""
        step = max(1, self.name_count // count) | 1
        numbers = [number % self.name_count for number in range(0, count * step, step)]
        return [(f"n{i:07d}.{self.origin}", _question_type(i), self._answer(i)) for i in numbers]

    def _answer(self, number: int) -> list[str]:
        kind = _record_type(number)
        lines = [f"n{number:07d}.{self.origin}. 3600 IN {kind} {_data(number, self.origin)}"]
        if kind == "CNAME":
            lines += self._answer(number + 5)
        return lines


def _record_type(number: int) -> str:
    return _BY_REMAINDER.get(number % 20, "A")


def _question_type(number: int) -> str:
    kind = _record_type(number)
    return "A" if kind == "CNAME" else kind


def _data(number: int, origin: str) -> str:
    match _record_type(number):
        case "A":
            return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        case "AAAA":
            return str(ipaddress.IPv6Address(_IPV6_FIRST + number))
        case "MX":
            return f"10 n{number + 5:07d}.{origin}."
        case "TXT":
            return f'"v=bench{number:07d}"'
    return f"n{number + 5:07d}.{origin}."


def make(directory: Path, label: str, name_count: int) -> BenchZone:
    """Return the zone ``zone<label>.bench``; write it and its questions unless they are there."""
    origin = f"zone{label}.bench"
    files = {
        "existing": directory / f"existing-{label}.txt",
        "non-existent": directory / f"non-existent-{label}.txt",
        "hot": directory / f"hot-{label}.txt",
    }
    zone = BenchZone(origin, name_count, directory / f"{origin}.zone", files)
    if not files["hot"].exists():  # the last one that is written
        _write(zone)
    return zone


def _write(zone: BenchZone) -> None:
    origin = zone.origin
    with open(zone.path, "w") as file:
        file.write(f"$ORIGIN {origin}.\n$TTL 3600\n")
        file.write(f"@ IN SOA ns1.{origin}. host.{origin}. 1 7200 3600 1209600 300\n")
        file.write(f"@ IN NS ns1.{origin}.\nns1 IN A 127.0.0.1\n")
        for i in range(zone.name_count):
            file.write(f"n{i:07d} IN {_record_type(i)} {_data(i, origin)}\n")
    dice = random.Random(1)
    lines = max(200_000, zone.name_count)
    with open(zone.question_files["existing"], "w") as file:
        for _ in range(lines):
            i = dice.randrange(zone.name_count)
            file.write(f"n{i:07d}.{origin} {_question_type(i)}\n")
    with open(zone.question_files["non-existent"], "w") as file:
        for _ in range(1_000_000):
            file.write(f"x{dice.randrange(1 << 28):07x}.{origin} A\n")
    hot = dice.sample(range(zone.name_count), 1000)
    with open(zone.question_files["hot"], "w") as file:
        for _ in range(100):
            dice.shuffle(hot)
            for i in hot:
                file.write(f"n{i:07d}.{origin} {_question_type(i)}\n")


def write_import(path: Path, origin: str, record_count: int) -> None:
    """Write a zone file of *record_count* addresses, to be imported while questions are asked."""
    with open(path, "w") as file:
        file.write(f"$ORIGIN {origin}.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 300\n")
        file.write("@ NS ns\nns A 192.0.2.53\n")
        for i in range(record_count):
            file.write(f"h{i} A 10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}\n")
