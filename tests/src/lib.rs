//! What the end-to-end tests share: the test world.
