//! The HTTP contract that client and server share
