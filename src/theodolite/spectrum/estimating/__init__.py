"""How sums of entries are estimated by random probes."""
