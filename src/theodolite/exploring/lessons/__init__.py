"""The lessons, one file each: pure functions of how finely they are measured."""
