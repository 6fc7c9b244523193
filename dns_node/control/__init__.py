"""The doors for people and programs: verbs, console, ctl socket, KV."""
