"""Real processes, real sockets, real clients: the Show list as tests."""
