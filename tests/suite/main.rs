//! End-to-end tests and tidy.

mod tidy;
