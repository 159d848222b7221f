"""A name becomes train, validation and test pipelines, and what they hold."""
