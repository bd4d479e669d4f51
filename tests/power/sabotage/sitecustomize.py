"""Builds that must be caught: breaks the service from outside, before its first line runs.

Python imports a module of this name at start when its directory is on PYTHONPATH. `SABOTAGE` names
what is broken; `SABOTAGE_SECONDS` widens a window by a sleep where the toss would be rare. Without
`SABOTAGE` nothing happens. The product has no hook for this.
"""

import importlib
import os

if name := os.environ.get("SABOTAGE"):
    saboteur = importlib.import_module("saboteur")  # beside this file
    saboteur.commit(name, float(os.environ.get("SABOTAGE_SECONDS", "0")))
