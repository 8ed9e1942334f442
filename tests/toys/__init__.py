"""Small plugins that prove what the contracts allow. docs/plugins.md shows them as they stand here."""
