"""Zone contents as values: names, RRsets, changes, text formats, checks."""
