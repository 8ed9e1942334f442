"""Losses, preferences, rewards and teachers for merc."""
