"""The feature store, and the pass that fills it."""

from merc.features.corrupted import UNTOUCHED, Severe, corrupted, withheld
from merc.features.encode import encode
from merc.features.plan import known_missing, lacking
from merc.features.prepared import prepared
from merc.features.store import FeatureStore
from merc.features.table import FeatureTable

__all__ = [
    "UNTOUCHED",
    "FeatureStore",
    "FeatureTable",
    "Severe",
    "corrupted",
    "encode",
    "known_missing",
    "lacking",
    "prepared",
    "withheld",
]
