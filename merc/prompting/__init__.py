"""Prompts as tokens, the prompt tree, verbalizers."""
