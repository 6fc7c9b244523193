"""The native core as tests use it: one object for a store and the settings of the definition."""

import atexit
import shutil
import tempfile
from pathlib import Path

from dns_node.answer.respond import AnswerSettings, Client
from dns_node.store.generation import current_generation, generation_path
from tests.answer.dict_view import DictView
from tests.net.worker_process import fill

try:
    from dns_node import _native as native
except ImportError:
    native = None


class NativeCore:
    """A core that reads the store in *path* (None: there is no store yet)."""

    def __init__(self, path):
        self._core = native.Core()
        self._settings = None
        if path is not None:
            self._core.open(path)
            self._core.renew()

    def close(self):
        """Let go of the store."""
        self._core.close()

    def respond(self, octets: bytes, client: Client, now_s: float, settings: AnswerSettings):
        """Return the octets of the reply, None when there is none, False for a punt."""
        if settings is not self._settings:
            self._settings = settings
            secrets = settings.cookie_secrets
            self._core.configure(
                settings.identity,
                settings.version,
                list(settings.query.texts),
                settings.idle_timeout_s,
                [secrets.making, *secrets.others] if secrets else [],
            )
            self._core.configure_recursion(list(settings.recursion.texts), 0)
        return self._core.respond(octets, client.address, client.port, client.is_tcp, now_s)

    def facts(self):
        """Return kind, subject, has_cookie and has_good_cookie of the last reply, None unless
        they can be had."""
        return self._core.facts() if hasattr(self._core, "facts") else None


_twins: dict[int, tuple[DictView, NativeCore]] = {}


def twin(view) -> NativeCore | None:
    """Return a native core over a store with the zones of *view*, None without the core or when
    the view has no dictionaries."""
    if native is None or not isinstance(view, DictView):
        return None
    if id(view) not in _twins:
        path = Path(tempfile.mkdtemp(prefix="native-twin-"))
        atexit.register(shutil.rmtree, path, True)
        fill(path, *view.by_apex.values())
        # With the view: no other may have its id while the twin is there.
        _twins[id(view)] = view, NativeCore(generation_path(path, current_generation(path)))
    return _twins[id(view)][1]
