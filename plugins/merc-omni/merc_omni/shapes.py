"""The shapes of public native multimodal models."""

PUBLIC = {}
