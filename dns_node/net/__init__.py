"""Shells around sockets: UDP, TCP, PROXY protocol."""
