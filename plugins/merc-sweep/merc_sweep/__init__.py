"""merc sweep: one recipe with many values."""
