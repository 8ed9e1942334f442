"""Decoding and sampling video and audio, once a file."""
