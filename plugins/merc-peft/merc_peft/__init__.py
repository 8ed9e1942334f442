"""Efficient tunings for merc."""
