//! custodia-verify, the judge's offline verifier
