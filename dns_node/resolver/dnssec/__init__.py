"""Validation: what may be believed of what servers say (RFC 4033 to 4035, 5155, 6840)."""
