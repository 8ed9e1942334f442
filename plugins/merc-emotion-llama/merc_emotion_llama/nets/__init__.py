"""The networks of the fusers; these import torch."""
