"""One survey as one offline HTML page."""
