"""A backbone with connectors and fusers over a prompt tree."""
