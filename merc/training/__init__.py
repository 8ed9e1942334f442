"""Losses, the loop, strategies and checkpoints."""
