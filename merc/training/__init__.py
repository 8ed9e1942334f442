"""Losses, the loop, engines and checkpoints."""
