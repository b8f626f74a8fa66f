//! Vectors (`tests/vectors/log`), properties against a naive tree, and the limits that are too large for a vector.

mod limits;
mod tree;
mod vectors;
mod witness;

use serde_json::Value;

fn read(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("{field} of {case}"))
}

/// A field of text, or of hexadecimal digits under `<field>_hex`.
fn octets(case: &Value, field: &str) -> Vec<u8> {
    match case[format!("{field}_hex")].as_str() {
        Some(digits) => hex::decode(digits).unwrap(),
        None => text(case, field).as_bytes().to_vec(),
    }
}

fn hash(digits: &Value) -> [u8; 32] {
    hex::decode(digits.as_str().unwrap()).unwrap().try_into().unwrap()
}
