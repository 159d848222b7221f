"""Flags, and one call each: the `node-transfer` command."""
