"""The native core as tests use it: one object for a store and the settings of the definition."""

from dns_node.answer.respond import AnswerSettings, Client

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
        return self._core.respond(octets, client.address, client.port, client.is_tcp, now_s)

    def facts(self):
        """Return kind, subject, has_cookie and has_good_cookie of the last reply, None unless
        they can be had."""
        return self._core.facts() if hasattr(self._core, "facts") else None
