//! Limits that the server enforces before it decodes, and that clients keep.

/// The largest JSON body, in bytes.
pub const MAX_JSON_BYTES: usize = 16 * 1024 * 1024;
/// The largest stored object, in bytes: a sealed segment of 8 MiB, or a sealed manifest.
pub const MAX_OBJECT_BYTES: usize = 72 * 1024 * 1024;
/// How far a request's `created` may lie from the server's clock, in seconds.
pub const MAX_SKEW_SECONDS: u64 = 300;
/// The most records on one page.
pub const MAX_PAGE_RECORDS: u64 = 256;
/// The most grants of one page.
pub const MAX_PAGE_GRANTS: u64 = 16;
/// The most key packages in one upload.
pub const MAX_KEY_PACKAGES: usize = 100;
/// The most objects of one exhibit (8 MiB each: 16 TiB).
pub const MAX_OBJECTS: usize = 2_000_000;
