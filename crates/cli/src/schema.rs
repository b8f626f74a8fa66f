//! What every command writes under `--json`: one JSON document; `demo` and `audit watch` write one a line, and so does everybody on standard error.
//!
//! `docs/schema/` holds the JSON Schemas, written by hand beside the types that answer (`terminal::Answer`). Tests compare the folder with the
//! commands that exist, and the output of every command with its schema (`tests/commands/cases`).

use serde_json::Value;

macro_rules! schemas {
    ($($name:literal $file:literal;)*) => {
        /// Every command, and the lines on standard error, with their schema.
        const TABLE: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../../docs/schema/", $file, ".json")))),*];
    };
}

schemas! {
    "audit" "audit";
    "audit exposure" "audit-exposure";
    "audit key" "audit-key";
    "audit watch" "audit-watch";
    "case add" "case-add";
    "case create" "case-create";
    "case leave" "case-leave";
    "case list" "case-list";
    "case recover" "case-recover";
    "case remove" "case-remove";
    "case resync" "case-resync";
    "case show" "case-show";
    "case succeed" "case-succeed";
    "completions" "completions";
    "config show" "config-show";
    "demo" "demo";
    "device init" "device-init";
    "device install" "device-install";
    "device renew" "device-renew";
    "device show" "device-show";
    "device sync" "device-sync";
    "doctor" "doctor";
    "dossier attach" "dossier-attach";
    "dossier make" "dossier-make";
    "error" "error";
    "exhibit add" "exhibit-add";
    "exhibit alter" "exhibit-alter";
    "exhibit consent" "exhibit-consent";
    "exhibit erase" "exhibit-erase";
    "exhibit export" "exhibit-export";
    "exhibit grant" "exhibit-grant";
    "exhibit hold" "exhibit-hold";
    "exhibit list" "exhibit-list";
    "exhibit open" "exhibit-open";
    "exhibit restrict" "exhibit-restrict";
    "exhibit show" "exhibit-show";
    "exhibit transfer" "exhibit-transfer";
    "log prove" "log-prove";
    "log show" "log-show";
    "log verify" "log-verify";
    "man" "man";
    "note" "note";
    "office init" "office-init";
    "office issue" "office-issue";
    "office publish" "office-publish";
    "office revoke" "office-revoke";
    "office sign" "office-sign";
    "office trust-list" "office-trust-list";
    "schema" "schema";
    "serve" "serve";
    "serve begin" "serve-begin";
    "serve init" "serve-init";
    "verify" "verify";
    "witness key" "witness-key";
    "witness serve" "witness-serve";
    "witness status" "witness-status";
}

/// What has a schema.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, _)| *name)
}

/// The schema of a command's data, or of the lines `error` and `note` on standard error.
pub fn of(name: &str) -> Option<Value> {
    let (_, text) = TABLE.iter().find(|(one, _)| *one == name)?;
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::{names, of};

    /// The words of every command that does something, such as `case list`.
    fn leaves(command: &clap::Command) -> Vec<String> {
        command.get_subcommands().filter(|sub| sub.get_name() != "help").flat_map(leaves_below).collect()
    }

    fn leaves_below(command: &clap::Command) -> Vec<String> {
        let name = command.get_name();
        let own = (!command.is_subcommand_required_set()).then(|| name.to_owned());
        own.into_iter().chain(leaves(command).into_iter().map(|leaf| format!("{name} {leaf}"))).collect()
    }

    #[test]
    fn every_command_has_a_schema_and_no_schema_is_of_a_command_that_is_gone() {
        let commands: BTreeSet<String> = leaves(&crate::Cli::command()).into_iter().collect();
        let described: BTreeSet<String> = names().filter(|name| !["error", "note"].contains(name)).map(str::to_owned).collect();
        let lacking: Vec<_> = commands.difference(&described).collect();
        assert!(lacking.is_empty(), "write docs/schema/COMMAND.json and name it in crates/cli/src/schema.rs for: {lacking:?}");
        let left: Vec<_> = described.difference(&commands).collect();
        assert!(left.is_empty(), "there is no such command any more: {left:?}");
        assert!(names().is_sorted(), "the table is in the order of its names");
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), names().count(), "every file of docs/schema is in the table");
    }

    #[test]
    fn a_schema_says_whose_it_is_and_describes_what_it_demands() {
        for name in names() {
            let schema = of(name).unwrap_or_else(|| panic!("{name}: not JSON"));
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
            assert!(schema["title"].as_str().unwrap().contains(name), "{name}: its title names the command");
        }
    }
}
