"""What a lane makes: an asset a stage, a file an asset; each factory takes the lane and gives its definition.

An asset's body reads its inputs, calls one function of scalper/ and reports metadata. Here live descriptions, keys,
dependencies and checks. Not here: how a stage works (scalper/lane.py), and what runs when (pipelines/).
"""

from assets.bars import build_bars, build_quality
from assets.described import build_description
from assets.features import build_features
from assets.gate import build_gate
from assets.labels import build_labels
from assets.launch import build_launch
from assets.models import build_models
from assets.retrained import build_retrained
from assets.search import build_search
from assets.simulation import build_simulation

__all__ = [
    "build_bars",
    "build_description",
    "build_features",
    "build_gate",
    "build_labels",
    "build_launch",
    "build_models",
    "build_quality",
    "build_retrained",
    "build_search",
    "build_simulation",
]
