"""Replication: commands, the state machine, journal, transport, guard, raft."""
