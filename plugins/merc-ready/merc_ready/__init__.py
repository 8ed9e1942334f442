"""Trained runs for merc that are there right after installation."""
