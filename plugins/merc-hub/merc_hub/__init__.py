"""Trained runs of merc for others."""
