//! What people and other programs read of a verified dossier: the files of `report/` (`docs/spec/dossier.md`).
//!
//! ```text
//! verifier's report ─► ReportModel ─► Document in one language ─► HTML here, PDF in a program of its own
//!                                 └─► CASE/UCO, manifest of (EU) 2025/1550
//! ```
//! Everything here is derived and proves nothing: a verifier reads none of it. All of it is pure: no files, no clock.

pub mod case_uco;
mod compose;
pub mod document;
mod facts;
pub mod html;
pub mod model;
pub mod transmission;
pub mod words;

pub use compose::document;
pub use document::Document;
pub use facts::model;
pub use model::ReportModel;
pub use words::Language;

#[cfg(test)]
mod tests;
