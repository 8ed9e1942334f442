"""The components that merc brings itself."""
