"""The zone files of the hierarchy: written, signed by real tools, delegated with their DS."""

import re
import subprocess
import time
from pathlib import Path

from .place import Place
from .plan import ZONES, Zone, children_of

_DAY_S = 86_400
_BIG_TEXT = " ".join(f'"{"abcdefghij" * 20}{n}"' for n in range(12))
_TLSA = "D2ABDE240D7CD3EE6B4B28C54DF034B97983A1D16E8A410E4561CB106618E971"


class ZoneFiles:
    """The files of all zones in *folder*.  `write` signs children before their parents."""

    def __init__(self, folder: Path, place: Place):
        self.folder = folder
        self.place = place
        self._ds: dict[str, list[str]] = {}

    def path(self, zone: Zone) -> Path:
        """Return where the file that is served lies."""
        return self.folder / f"{_stem(zone)}.zone"

    def trust_anchor(self) -> str:
        """Return the DS records of the root's key, in master file format."""
        return "\n".join(f". 3600 IN DS {rdata}" for rdata in self._ds["."])

    def text(self, zone: Zone) -> str:
        """Return the contents of *zone* before signing, with the delegations from it."""
        lines = [f"$ORIGIN {zone.apex}", f"$TTL {zone.ttl_s}"]
        first = zone.ns_names()[0]
        lines.append(f"@ SOA {first} hostmaster.{zone.apex} 1 7200 900 1209600 "
                     f"{zone.negative_ttl_s}".replace("hostmaster..", "hostmaster."))  # fmt: skip
        lines += self._name_servers(zone)
        for child in children_of(zone.apex):
            lines += self._name_servers(child)
            lines += [f"{child.apex} DS {rdata}" for rdata in self._ds.get(child.apex, ())]
        body = zone.text.replace("{big}", _BIG_TEXT).replace("{tlsa}", _TLSA)
        lines.append(re.sub(r"\{([46]):(\d+)\}", self._address, body))
        return "\n".join(lines) + "\n"

    def _address(self, found: re.Match[str]) -> str:
        host = int(found[2])
        return self.place.address(host) if found[1] == "4" else self.place.address6(host)

    def _name_servers(self, zone: Zone) -> list[str]:
        """The NS records of *zone*, and the addresses of those names that are in it."""
        lines = [f"{zone.apex} NS {name}" for name in zone.ns_names()]
        if zone.apex == ".":
            return lines
        for name, host in zip(zone.ns_names(), zone.hosts, strict=False):
            if name.endswith(f".{zone.apex}"):
                if self.place.prefix6:
                    lines.append(f"{name} AAAA {self.place.address6(host)}")
                if not zone.has_ipv6_only:
                    lines.append(f"{name} A {self.place.address(host)}")
        return lines

    def write(self) -> None:
        """Write all of them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for zone in sorted(ZONES, key=lambda zone: zone.apex.strip(".").count("."), reverse=True):
            if zone.apex != ".":
                self._write(zone)
        self._write(next(zone for zone in ZONES if zone.apex == "."))

    def _write(self, zone: Zone) -> None:
        path = self.path(zone)
        path.write_text(self.text(zone))
        ds: list[str] = []
        if zone.signing is not None:
            keys = self.folder / f"keys-{_stem(zone)}"
            keys.mkdir()
            sign = {"bind": _sign_bind, "ldns": _sign_ldns, "knot": _sign_knot}[zone.signing.tool]
            ds = sign(zone, path, keys)
        if zone.ds == "none":
            ds = []
        elif zone.ds == "wrong":
            ds = [rdata[:-4] + ("0000" if rdata[-4:] != "0000" else "1111") for rdata in ds]
        elif zone.ds:
            ds = [zone.ds]
        self._ds[zone.apex] = ds
        if zone.damage:
            path.write_text(_damaged(path.read_text(), zone.damage))


def _stem(zone: Zone) -> str:
    return zone.apex.strip(".") or "root"


def _damaged(text: str, damage: str) -> str:
    if damage == "denial":
        return "".join(line for line in text.splitlines(keepends=True) if "\tNSEC\t" not in line)
    assert "192.0.2.1\n" in text
    return text.replace("192.0.2.1\n", "192.0.2.66\n")


def _run(*words: object, inside: Path) -> str:
    done = subprocess.run([str(word) for word in words], cwd=inside, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(map(str, words))}: {done.stdout}{done.stderr}")
    return done.stdout


def _rdata(records: str) -> list[str]:
    """The rdata of the DS records in *records*."""
    found = []
    for line in records.splitlines():
        fields = line.partition(";")[0].split()
        if "DS" in fields:
            tag, algorithm, kind, *digest = fields[fields.index("DS") + 1 :]
            if kind == "2":
                found.append(f"{tag} {algorithm} 2 {''.join(digest).upper()}")
    return found


def _moment(days: int) -> str:
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + days * _DAY_S))


def _sign_bind(zone: Zone, path: Path, keys: Path) -> list[str]:
    assert zone.signing
    kinds = (["-f", "KSK"], []) if zone.signing.has_zsk else (["-f", "KSK"],)
    size = ["-b", "2048"] if zone.signing.algorithm.startswith("RSA") else []
    for kind in kinds:
        _run("dnssec-keygen", "-q", "-a", zone.signing.algorithm, *size, *kind, "-K", keys,
             zone.apex, inside=keys)  # fmt: skip
    options = [] if zone.signing.has_zsk else ["-z"]
    if zone.signing.iterations is not None:
        options += ["-3", "-", "-H", str(zone.signing.iterations)]
    options += ["-A"] if zone.signing.is_opt_out else []
    inception, expiry = map(_moment, zone.signing.days)
    _run("dnssec-signzone", "-q", "-S", "-P", "-K", keys, "-d", keys, "-s", inception, "-e", expiry,
         *options, "-o", zone.apex, "-f", path, path, inside=keys)  # fmt: skip
    [dsset] = keys.glob("dsset-*")
    return _rdata(dsset.read_text())


def _sign_ldns(zone: Zone, path: Path, keys: Path) -> list[str]:
    assert zone.signing
    name = _run("ldns-keygen", "-a", zone.signing.algorithm, "-k", zone.apex, inside=keys).strip()
    options = []
    if zone.signing.iterations is not None:
        options = ["-n", "-t", str(zone.signing.iterations)]
    inception, expiry = map(_moment, zone.signing.days)
    _run("ldns-signzone", "-i", inception, "-e", expiry, *options, "-o", zone.apex, "-f", path,
         path, name, inside=keys)  # fmt: skip
    return _rdata(_run("ldns-key2ds", "-n", "-2", f"{name}.key", inside=keys))


def _sign_knot(zone: Zone, path: Path, keys: Path) -> list[str]:
    """Make the key only; the server that finds it in *keys* signs."""
    assert zone.signing
    _run("keymgr", "-D", keys, zone.apex, "generate", f"algorithm={zone.signing.algorithm}",
         "ksk=yes", "zsk=yes", inside=keys)  # fmt: skip
    return _rdata(_run("keymgr", "-D", keys, zone.apex, "ds", inside=keys))
