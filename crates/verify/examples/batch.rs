//! Judges dossiers by the thousand, for `tests/mutants`: reads lines `{"dossier":path,"trust":path}`, answers each by one line
//! `{"verdict":…,"first":…,"findings":[[check,status],…]}`, or `{"error":…}` where a file could not be read at all.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};

use custodia_verify::{Trust, verify};
use serde_json::{Value, json};

fn answer(line: &str, trusts: &mut HashMap<String, Trust>) -> Result<Value, String> {
    let asked: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let path = |member: &str| asked[member].as_str().map(str::to_owned).ok_or_else(|| format!("{member} is not named"));
    let (dossier, trust) = (path("dossier")?, path("trust")?);
    if !trusts.contains_key(&trust) {
        let text = fs::read_to_string(&trust).map_err(|error| format!("{trust}: {error}"))?;
        trusts.insert(trust.clone(), Trust::parse(&text).map_err(|error| error.to_string())?);
    }
    let file = File::open(&dossier).map_err(|error| format!("{dossier}: {error}"))?;
    let report = verify(BufReader::new(file), &trusts[&trust]).map_err(|error| error.to_string())?.to_json();
    let findings: Vec<Value> = report["findings"]
        .as_array()
        .map(|findings| findings.iter().map(|finding| json!([finding["check"], finding["status"]])).collect())
        .unwrap_or_default();
    Ok(json!({ "verdict": report["verdict"], "first": report["first"], "findings": findings }))
}

fn main() -> std::io::Result<()> {
    let mut trusts = HashMap::new();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let said = answer(&line?, &mut trusts).unwrap_or_else(|error| json!({ "error": error }));
        writeln!(out, "{said}")?;
    }
    Ok(())
}
