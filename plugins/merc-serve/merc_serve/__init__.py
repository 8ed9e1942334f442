"""A trained run of merc as a web page and an HTTP API."""
