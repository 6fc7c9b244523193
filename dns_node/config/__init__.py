"""The configuration: a typed schema, its errors, and what a reload changes."""
