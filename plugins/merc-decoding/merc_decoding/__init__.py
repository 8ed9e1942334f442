"""Ways of asking a model whose weights stay as they are."""
