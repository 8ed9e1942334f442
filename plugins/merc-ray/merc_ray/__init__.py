"""merc on a Ray cluster."""
