"""The modules that the components build."""
