"""Audio encoders for merc."""
