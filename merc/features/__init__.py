"""The feature store and the pass that fills it."""
