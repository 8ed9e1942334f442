"""What is installed: hooks, discovery, plugins and what failed."""
