"""Wire models of the JSON door: the superset that satisfies every client (contract §4.3). Imports core's words only."""
