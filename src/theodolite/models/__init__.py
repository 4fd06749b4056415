"""Small models and data that travel in the package, each a landscape by its name."""
