"""What the scenarios need of pytest: their common words may assert things, and should say what differed."""

import pytest

pytest.register_assert_rewrite("story")
