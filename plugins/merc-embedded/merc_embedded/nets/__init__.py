"""The networks themselves. These modules import torch; the components import them when they load."""
