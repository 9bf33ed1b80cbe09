"""Real hardware, and nothing else: the drivers, and the backend that they make together.

There are none yet. A driver is one file here and one line in `INSTRUMENTS`; of ours it imports
only `crossbar.backend`.
"""

from collections.abc import Mapping
from types import MappingProxyType

INSTRUMENTS: Mapping[str, type] = MappingProxyType({})
"""Every instrument by the name it has in a bench file."""
