"""Recipes: schema, loading, resolving, validation."""
