"""What numbers would be on other data of the same kind."""
