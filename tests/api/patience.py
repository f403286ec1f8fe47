"""How long tests wait for what must happen: a guard against hanging, and no verdict about speed.

Ten times what anything here has taken on a machine with eight busy processes beside it.
"""

PATIENCE_S = 600
