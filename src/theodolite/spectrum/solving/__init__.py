"""How linear systems are solved."""
