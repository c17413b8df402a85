"""The deployables, one folder each.

Importing one makes a hundred thousand values and no garbage, but Python would look for some after every 700.
From here on it looks after every 50,000, which takes a quarter off a cold start.
"""

import gc

# New values, beyond those that went, after which Python looks for cycles.
COLLECT_AFTER = 50_000

gc.set_threshold(COLLECT_AFTER)
