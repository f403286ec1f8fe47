"""How long tests wait for what must happen: a guard against hanging, and no verdict about speed.

Ten times what anything here has taken on a machine with eight busy processes beside it. A test that
hangs costs that much, so it is no more.
"""

PATIENCE_S = 900
