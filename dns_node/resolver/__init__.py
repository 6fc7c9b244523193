"""Resolving what is not in our own zones."""
