//! The HTTP contract that client and server share: request signatures, paths, bodies, error codes, limits.
//!
//! Bodies are JSON unless said otherwise and are read strictly. `docs/spec/http.md` is the page for other implementations.

pub mod error;
pub mod limits;
pub mod messages;
pub mod signature;

/// Reads a member that may be left out: it is there with a value, or it is not there; `null` is no value.
fn present<'de, D: serde::Deserializer<'de>, T: serde::Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use crate::messages::UploadKeyPackages;

    #[test]
    fn a_member_that_may_be_left_out_is_not_null() {
        let read = |text: &str| serde_json::from_str::<UploadKeyPackages>(text);
        assert_eq!(read(r#"{"one_time":[]}"#).unwrap().last_resort, None);
        assert!(read(r#"{"one_time":[],"last_resort":"AAAA"}"#).unwrap().last_resort.is_some());
        assert!(read(r#"{"one_time":[],"last_resort":null}"#).is_err());
    }
}
