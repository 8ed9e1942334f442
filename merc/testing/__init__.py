"""Contract checks that a plugin author subclasses."""
