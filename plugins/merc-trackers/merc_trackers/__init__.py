"""Trackers for merc: TensorBoard, Weights & Biases, Trackio."""
