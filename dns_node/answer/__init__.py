"""The definition of every authoritative answer."""
