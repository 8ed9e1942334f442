"""Video encoders for merc."""
