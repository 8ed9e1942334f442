"""How much a model's answers suffer from noise, lost media and modalities that contradict each other."""
