"""Resolving, as a worker does it: sockets to servers, questions in flight, limits, stages."""
