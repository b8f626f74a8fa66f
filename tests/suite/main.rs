//! End-to-end tests and tidy.
