"""The parts of a survey, each a value and an outcome out of shared evidence."""
