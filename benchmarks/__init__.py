"""Programs that measure the extension, or try to break it.

``python -m benchmarks`` measures every figure together with its reference. The servers of the
tests are used, so the requirements of the tests must be installed.
"""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"

if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))
