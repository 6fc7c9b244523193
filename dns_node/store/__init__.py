"""The LMDB store: layout, reader, writer, history."""
