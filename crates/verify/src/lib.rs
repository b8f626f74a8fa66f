//! custodia-verify, the judge's offline verifier: one dossier, one trust file, one verdict.

pub mod archive;
