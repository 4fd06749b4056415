"""Lines, planes and paths over the landscape: the country around a point."""
