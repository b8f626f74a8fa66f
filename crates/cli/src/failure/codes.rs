//! Every error of the command line: its stable code, its exit code, what it means, and what to do next. `docs/ERRORS.md` is this table.

use super::Exit;

macro_rules! codes {
    ($(#[doc = $meaning:literal] $name:ident = $text:literal, $exit:ident, $next:literal;)*) => {
        /// A stable name of an error: scripts may rely on it, and it never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// All of them, by exit code.
            #[cfg(test)]
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The exit code under which the command ends.
            pub const fn exit(self) -> Exit {
                match self { $(Self::$name => Exit::$exit,)* }
            }

            /// What it means.
            #[cfg(test)]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }.trim()
            }

            /// What to do next, where the place of the error knows nothing better.
            pub const fn next(self) -> &'static str {
                match self { $(Self::$name => $next,)* }
            }
        }
    };
}

codes! {
    /// A fault of this program.
    Unexpected = "unexpected", Unexpected, "Run it again with CUSTODIA_LOG=debug in the environment, and report what both runs said.";
    /// This machine has too little memory, gives no random bytes, or its clock shows no usable time.
    Machine = "machine", Unexpected, "Mend that on this machine, and run the same command again.";
    /// The device's state, an office's key or an auditor's key is damaged, or belongs to another key file.
    StateDamaged = "state-damaged", Unexpected, "Nothing was changed. Enrol this machine as a new device; a colleague or the recovery device gives it access again.";
    /// The state was written by a newer program.
    StateNewer = "state-newer", Unexpected, "Use the newer program that wrote it.";
    /// The system does not let the state be read or written.
    StateUnusable = "state-unusable", Unexpected, "Check the folder, its permissions and the space on its disk.";
    /// A viewer or another program that was called did not do its work.
    ViewerFailed = "viewer-failed", Unexpected, "Try the command on another file by itself.";
    /// The server could not start or go on.
    ServerFailed = "server-failed", Unexpected, "Mend what it names, and start the server again; `custodia doctor --config FILE` tries database and store out.";
    /// A witness's key, state or configuration cannot be used.
    WitnessUnusable = "witness-unusable", Unexpected, "Mend what it names, and start the witness again. A witness that lost its state, or was set back, needs a new key.";
    /// Something that the demo claims did not happen.
    DemoFailed = "demo-failed", Unexpected, "Run the demo again with --keep and look at server.log in its folder.";

    /// The command's words are not usable.
    Usage = "usage", Usage, "`custodia help COMMAND` shows what the command takes.";
    /// A name fits several things.
    Ambiguous = "ambiguous", Usage, "Give the whole id.";
    /// Something must be answered, and nobody can be asked.
    InputNeeded = "input-needed", Usage, "Give it as a flag, or run the command at a terminal without --no-input.";
    /// The person at the terminal said no.
    Declined = "declined", Usage, "Run the command again.";
    /// A file or folder cannot be read or written.
    FileUnusable = "file-unusable", Usage, "Check the path and its permissions.";
    /// A file is not of the form in which it is expected.
    FileMalformed = "file-malformed", Usage, "Check that this is the right file.";
    /// A configuration is not usable.
    ConfigMalformed = "config-malformed", Usage, "Mend these lines; config/agent.toml and config/custodia.toml explain every key.";
    /// The server's address, or server.json, is not named.
    ServerNotNamed = "server-not-named", Usage, "Name them with --server and --card, in the environment, or in the configuration; `custodia config show --origin` shows both.";
    /// The server's address cannot be used.
    ServerAddress = "server-address", Usage, "Write https://HOST:PORT, with --tls-authority if its certificate is of an authority of your own.";
    /// The key file of the state is not of its form.
    KeyFileMalformed = "key-file-malformed", Usage, "Put back state.key as it was; without it the state opens no more.";
    /// A passphrase is empty, not text, or not the same twice.
    PassphraseUnusable = "passphrase-unusable", Usage, "Run the command again.";
    /// A text is too long or not of its form, or a list names something twice.
    TextRefused = "text-refused", Usage, "Nothing was sent.";
    /// What is recorded about an exhibit is incomplete or does not fit together.
    IntakeIncomplete = "intake-incomplete", Usage, "`custodia exhibit add --template` prints a form with every field explained.";
    /// Evidence is not there, cannot be read, or is more than one exhibit may hold.
    EvidenceUnusable = "evidence-unusable", Usage, "Nothing was entered in the log.";
    /// Evidence changed while it was taken in, or is not what an interrupted intake began with.
    EvidenceChanged = "evidence-changed", Usage, "Begin anew with --fresh, once nothing writes to them. Nothing was entered in the log.";
    /// A certificate is not for this device.
    CertificateNotOurs = "certificate-not-ours", Usage, "Install the file that your office issued for this device's own request.";
    /// A request is for another office, or for longer than may be issued.
    RequestUnusable = "request-unusable", Usage, "Nothing was issued. Ask for a new request, or name other --days.";
    /// The files cannot be written where they were to go.
    TargetUnusable = "target-unusable", Usage, "Check the path, its permissions and the space on its disk. Nothing unfinished was left there.";
    /// A dossier is not one, is of another log, or is newer than what is to be attached.
    DossierUnusable = "dossier-unusable", Usage, "The dossier was left as it was.";
    /// The server does not take the request as this program made it.
    RequestNotTaken = "request-not-taken", Usage, "Bring program and server to the same version.";

    /// A dossier, or something in it, is not genuine.
    DossierFailed = "dossier-failed", NotVerified, "Do not rely on it. The report says which check failed.";
    /// A dossier could not be checked to the end.
    DossierIndeterminate = "dossier-indeterminate", NotVerified, "The report says what was not checked; an auditor's cosignature, or another line in your trust file, may decide it.";
    /// A proof does not hold.
    ProofFailed = "proof-failed", NotVerified, "Do not rely on it.";
    /// Checks of the log's replay do not hold.
    AuditFailed = "audit-failed", NotVerified, "Nothing is cosigned. Tell the offices, and keep what the report says.";
    /// What a watch found does not hold.
    WatchFound = "watch-found", NotVerified, "docs/AUDITING.md says of each rule what it shows and what to do. What was told is not told again.";
    /// The saved point of earlier audits was altered, is of another log, or of a newer program.
    SavedPointRefused = "saved-point-refused", NotVerified, "`custodia audit --from-start` replays everything and saves a new one. If nobody restored or changed this device's state, tell your office.";
    /// A checkpoint is not cosigned.
    CosigningRefused = "cosigning-refused", NotVerified, "Nothing was cosigned.";
    /// The server's store holds other bytes than were stored.
    ObjectDamaged = "object-damaged", NotVerified, "Tell the operator to restore the object from a backup.";
    /// What was sealed, or written out, is not what was collected.
    ExhibitDamaged = "exhibit-damaged", NotVerified, "Nothing of it is left on the disk. Tell whoever collected the exhibit, and an auditor.";
    /// A message of the case group cannot be processed.
    GroupMessage = "group-message", NotVerified, "Nothing of it was applied. Tell a colleague of the case; once a second person's device has reported it too, `custodia case succeed`.";
    /// A sealed key does not open.
    KeyNotOpened = "key-not-opened", NotVerified, "Ask a member who may open the exhibit to grant it again.";
    /// Something that the doctor looked at is bad.
    DoctorBad = "doctor-bad", NotVerified, "Mend what is marked BAD, and run the same command again.";

    /// The passphrase is not the one.
    WrongPassphrase = "wrong-passphrase", NotAuthenticated, "Nothing was changed. Type it again; nobody can recover it for you.";
    /// The device's state is a copy, or was set back.
    StateCopied = "state-copied", NotAuthenticated, "Enrol this machine as a new device, and have your office revoke this one.";
    /// The device has no certificate or no server yet.
    NotEnrolled = "not-enrolled", NotAuthenticated, "Install the certificate: custodia device install CERTIFICATE --server URL --card server.json.";
    /// The device was revoked, or its certificate has expired.
    NotInGoodStanding = "not-in-good-standing", NotAuthenticated, "Ask your office why.";
    /// The registry does not know the device.
    UnknownDevice = "unknown-device", NotAuthenticated, "Ask your office whether it enrolled this device at that server.";
    /// The server at that address shows another log or trust list.
    OtherServer = "other-server", NotAuthenticated, "Check the address, and server.json with your office.";
    /// The clocks of this machine and the server are too far apart.
    ClockSkew = "clock-skew", NotAuthenticated, "Set this machine's clock, and run the same command again.";
    /// The server does not accept the request's signature, or saw it before.
    NotAuthenticated = "not-authenticated", NotAuthenticated, "Run the same command again; if it says the same, ask the operator what the server's diagnostics say.";

    /// A rule refused the act; `rule` names it.
    Refused = "refused", NotPermitted, "docs/RULES.md says what each rule demands.";
    /// This device was not given the exhibit's key.
    NoKey = "no-key", NotPermitted, "Ask a member who may open it: custodia exhibit grant.";
    /// The person, device or exhibit may not take part in this.
    NotEligible = "not-eligible", NotPermitted, "Nothing was entered in the log.";
    /// Nobody would be left who may open, add or grant anything in the case.
    LastProsecutor = "last-prosecutor", NotPermitted, "Add a colleague first: `custodia case add`.";
    /// The office has no recovery device in good standing.
    NoRecovery = "no-recovery", NotPermitted, "Enrol one first: custodia device init --role recovery.";

    /// There is no device's state in the folder.
    NoState = "no-state", NotFound, "Make one: custodia device init --person OFFICE/PERSON --name NAME --request FILE. If there is one elsewhere, name its folder with --home.";
    /// This device is in no such case.
    NotMember = "not-member", NotFound, "`custodia case list` shows your cases; a member can add you.";
    /// There is no such thing, or none that this device may know of.
    NotFound = "not-found", NotFound, "Check the name; the `list` and `show` commands say what there is.";

    /// Another process uses the state or the key.
    InUse = "in-use", TryAgain, "Run the same command again; what was done is not done twice.";
    /// The server, or the way to it, gives no answer; nothing is known about what became of the act.
    Unavailable = "unavailable", TryAgain, "Run the same command again; what was done is not done twice.";
    /// The server does not hold all objects yet.
    ObjectsMissing = "objects-missing", TryAgain, "Run the same command again; what was done is not done twice.";
    /// No checkpoint that includes the dossier has been cosigned yet.
    NotCosigned = "not-cosigned", TryAgain, "The dossier was left as it was. Run the same command again later, or give the file that `custodia audit --cosign` wrote.";
    /// The device came back into the case and has not been given its key again.
    NoRing = "no-ring", TryAgain, "A colleague runs `custodia device sync`; then run the same command again.";

    /// Something is there already.
    Exists = "exists", Conflict, "Nothing was written; choose another name.";
    /// Another change of the members came first.
    StaleEpoch = "stale-epoch", Conflict, "Run the same command again; it begins from the group as it is now.";
    /// The device is a member of the case, and what it held of the group is lost.
    GroupLost = "group-lost", Conflict, "Bring it back: `custodia case resync CASE --reason WHY`.";
    /// The act's id was used with other content.
    Conflicting = "conflict", Conflict, "Look at `custodia log show`: the first act stands.";

    /// Some of what was asked for is done, and the rest is not.
    PartlyDone = "partly-done", PartlyDone, "What is done stands in the log and is not done twice. Mend what the message names, and run the same command again.";

    /// The log was rolled back or forked, or shows something that its own signatures contradict.
    LogBroken = "log-broken", Misbehaved, "Do not go on with this server. Tell your office and an auditor; the evidence is kept with the device's state, or in the office's folder.";
    /// An answer is not of the contract.
    AnswerBroken = "answer-broken", Misbehaved, "Another program may answer at that address: check it. If it is the vault's, tell your office and an auditor; what it answered is kept.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Code;

    const PAGE: &str = include_str!("../../../../docs/ERRORS.md");

    fn row(code: Code) -> String {
        format!("| `{}` | {} | {} | {} |", code.as_str(), code.exit() as u8, code.meaning(), code.next().replace('|', "\\|"))
    }

    #[test]
    fn every_error_has_a_stable_code_an_exit_code_a_meaning_and_a_next_step() {
        let mut names = BTreeSet::new();
        let mut exits = Vec::new();
        for code in Code::ALL {
            let name = code.as_str();
            assert!(names.insert(name), "{name} names two errors");
            assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
            for text in [code.meaning(), code.next()] {
                assert!(text.ends_with('.') && text.len() > 10, "{name}: not a sentence: {text:?}");
            }
            exits.push(code.exit() as u8);
        }
        assert!(exits.is_sorted(), "the table is in the order of the exit codes");
        assert_eq!(exits.iter().copied().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn the_page_of_errors_is_the_table_of_the_program() {
        let wanted: Vec<String> = Code::ALL.iter().copied().map(row).collect();
        let found: Vec<&str> = PAGE.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(found, wanted, "docs/ERRORS.md is to hold these rows:\n{}", wanted.join("\n"));
    }
}
