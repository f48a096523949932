"""Everything that depends on how CrewAI works inside; no other package imports CrewAI.

CrewAI reads its environment while it is imported, so importing any module of this package first
sets that environment, then imports CrewAI and applies the patches.
"""

from __future__ import annotations

from .environment import keep_files_private
from .environment import set_switches
from .environment import without_dotenv

set_switches()
with without_dotenv():
    keep_files_private()
    from . import patches

patches.apply()
