"""A second implementation of Custodia's formats, written from docs/spec/ alone. It shares no code with the first."""
