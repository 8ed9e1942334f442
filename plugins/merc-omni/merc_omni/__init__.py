"""Native multimodal models as backbones of merc, with their own towers, tokens and positions."""
