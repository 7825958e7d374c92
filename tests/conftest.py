"""What holds for all tests.

Examples are the same in every run and may take what time they need: one that a busy machine puts off is no failure.
`--hypothesis-profile default` draws others.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("tests", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")
