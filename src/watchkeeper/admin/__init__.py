"""What administrators of the service may look at; it is told apart from every household's data."""
