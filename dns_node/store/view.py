"""The view's types under their old place; import them from `dns_node.zone.view`."""

from dns_node.zone.view import AUTO, SourceHeader, View, ZoneHeader

__all__ = ["AUTO", "SourceHeader", "View", "ZoneHeader"]
