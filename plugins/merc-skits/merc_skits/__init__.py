"""A corpus that makes itself: drawn faces and synthetic speech, deterministic from a seed."""
