//! `custodia office …`: an office's root, trust lists, certificates of its people.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use custodia_client::announce::OfficeDesk;
use custodia_client::office::{NewOffice, Office};
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{
    DeviceRequest, Office as ListedOffice, OfficeRoot, RevocationReason, Role, RootCertificate, TrustList, TrustListDraft, TrustPin,
    UnverifiedCertificate, UnverifiedTrustList,
};
use custodia_core::ids::{DeviceId, OfficeId, PersonId};
use custodia_core::time::{ClaimedTime, LogTime};
use custodia_failpoint::fail_point;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use serde::Serialize;

use super::{COST, Entered, clock, read_bytes, read_text, write_new};
use crate::failure::{Code, Failure};
use crate::settings::{ServerFlags, Settings};
use crate::terminal::{Answer, answer, note, passphrase, printable_path};

/// Commands of an office.
#[derive(Subcommand)]
pub enum Command {
    /// Make an office's root key and certificate in a new folder.
    Init {
        /// Folder of the office.
        folder: PathBuf,
        /// Its id, for ever: a-z, 0-9, '-' and '.', for example ro-diicot.
        #[arg(long)]
        id: OfficeId,
        /// Its country, two upper-case letters.
        #[arg(long)]
        country: String,
        /// Its name.
        #[arg(long)]
        name: String,
        /// For how many years the root is valid.
        #[arg(long, default_value_t = 10)]
        years: u8,
    },
    /// Draw up a trust list from the offices' root certificates (printed by `office init` as root.der): the first, or with --after the next.
    TrustList {
        /// The list to write.
        list: PathBuf,
        /// ROOT.der:roles[:offices it supervises], for example nl.der:prosecutor,recovery or eu.der:auditor:nl-om,ro-diicot. An office that changes its
        /// root has both for a while: old.der@2027-03-01+new.der:prosecutor,recovery, the old one until that day.
        #[arg(long = "office", required = true, value_name = "OFFICE")]
        offices: Vec<String>,
        /// The lists before this one, from the first on; the new one names the last of them, and so many of that one's offices as it says must sign.
        #[arg(long, value_name = "LIST")]
        after: Vec<PathBuf>,
        /// How many offices must sign.
        #[arg(long, default_value_t = 1)]
        threshold: u16,
    },
    /// Sign a trust list after reading it.
    Sign {
        /// Folder of the office.
        folder: PathBuf,
        /// The list; the signature is added to it.
        list: PathBuf,
    },
    /// Announce a signed trust list to the log.
    Publish {
        /// Folder of the office.
        folder: PathBuf,
        /// The list.
        list: PathBuf,
        #[command(flatten)]
        server: ServerFlags,
    },
    /// Issue a certificate for a device's request and enrol it.
    Issue {
        /// Folder of the office.
        folder: PathBuf,
        /// The device's request.
        request: PathBuf,
        /// The certificate to write.
        certificate: PathBuf,
        /// For how many days.
        #[arg(long, default_value_t = 90)]
        days: u16,
        #[command(flatten)]
        server: ServerFlags,
    },
    /// Revoke a device for ever.
    Revoke {
        /// Folder of the office.
        folder: PathBuf,
        /// The device's id, or the file of a certificate that was issued to it.
        device: PathBuf,
        /// key-compromise, lost, left, superseded or other.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        server: ServerFlags,
    },
}

/// An office that was founded.
#[derive(Serialize)]
pub struct Founded {
    office: OfficeId,
    /// SHA-256 of its root certificate.
    root: Sha256Digest,
    /// The root certificate's file.
    path: String,
}

impl Answer for Founded {
    fn text(&self) -> String {
        self.root.to_string()
    }
}

/// A trust list that was drawn up.
#[derive(Serialize)]
pub struct Drawn {
    /// SHA-256 of the list; the first one's is what everybody pins.
    pin: Sha256Digest,
    /// The list's file.
    path: String,
}

impl Answer for Drawn {
    fn text(&self) -> String {
        self.pin.to_string()
    }
}

/// A trust list that an office signed.
#[derive(Serialize)]
pub struct Signed {
    /// The list's number.
    number: u64,
    /// SHA-256 of what was signed.
    sha256: Sha256Digest,
}

impl Answer for Signed {
    fn text(&self) -> String {
        String::new()
    }
}

/// A certificate that was issued and enrolled.
#[derive(Serialize)]
pub struct Issued {
    /// SHA-256 of the certificate.
    certificate: Sha256Digest,
    /// office/person.
    person: PersonId,
    role: &'static str,
    /// The certificate's file.
    path: String,
    /// The record of the enrolment.
    record: u64,
}

impl Answer for Issued {
    fn text(&self) -> String {
        self.certificate.to_string()
    }
}

/// Runs a command of an office.
pub async fn run(command: Command, settings: &Settings) -> Result<(), Failure> {
    let open = |folder: &PathBuf| -> Result<Office, Failure> {
        Ok(Office::open(folder, &passphrase(settings.passphrase_fd, "the office", false)?)?)
    };
    match command {
        Command::Init { folder, id, country, name, years } => init(settings, &folder, id, &country, &name, years),
        Command::TrustList { list, offices, after, threshold } => draw_up(&list, &offices, &after, threshold),
        Command::Sign { folder, list } => {
            let mut signed = read_list(&list)?;
            for office in signed.claimed_offices() {
                note(&listing(office));
            }
            open(&folder)?.sign_list(&mut signed);
            custodia_client::durable_file::replace(&list, signed.to_json().as_bytes()).map_err(|error| Failure::file(&list, &error))?;
            note(&format!("Signed list {} with SHA-256 {}.", signed.claimed_number(), signed.digest()));
            answer(&Signed { number: signed.claimed_number(), sha256: signed.digest() })
        }
        Command::Publish { folder, list, server } => {
            let entry = desk(settings, &server)?.trust_list(&open(&folder)?, &read_list(&list)?).await?;
            note(&format!("The trust list stands in the log as record {}.", entry.index));
            answer(&Entered { record: entry.index })
        }
        Command::Issue { folder, request, certificate, days, server } => {
            let text = read_text(&request)?;
            let request = DeviceRequest::parse(text.trim()).map_err(|error| {
                Failure::malformed(&request, error, "Ask for it again: the same `custodia device init` writes it anew.")
            })?;
            let office = open(&folder)?;
            let issued = office.issue(&request, now()?, days)?;
            let entry = desk(settings, &server)?.enrol(&office, &issued).await?;
            fail_point!("office.certificate.enrolled");
            write_new(&certificate, issued.der())?;
            let wanted = request.wanted();
            note(&format!("{} ({}), {}: enrolled as record {}.", wanted.name, wanted.person, wanted.role, entry.index));
            answer(&Issued {
                certificate: issued.id().digest(),
                person: wanted.person.clone(),
                role: wanted.role.as_str(),
                path: printable_path(&certificate),
                record: entry.index,
            })
        }
        Command::Revoke { folder, device, reason, server } => {
            let reason: RevocationReason = serde_json::from_value(serde_json::Value::String(reason))
                .map_err(|_| Failure::usage("not a reason", "Use key-compromise, lost, left, superseded or other."))?;
            let entry = desk(settings, &server)?.revoke(&open(&folder)?, device_of(&device)?, reason).await?;
            note(&format!("Revoked, for ever; record {}. Members remove its leaf with their next change.", entry.index));
            answer(&Entered { record: entry.index })
        }
    }
}

/// A device by its id, or by a certificate of it: who lost the device cannot ask it for its id.
fn device_of(named: &Path) -> Result<DeviceId, Failure> {
    if let Some(id) = named.to_str().and_then(|text| text.parse().ok()) {
        return Ok(id);
    }
    let certificate = UnverifiedCertificate::parse(&read_bytes(named)?);
    let certificate =
        certificate.map_err(|error| Failure::malformed(named, error, "Name the device's id, or the file that `office issue` wrote."))?;
    Ok(certificate.claims().device)
}

fn init(settings: &Settings, folder: &Path, id: OfficeId, country: &str, name: &str, years: u8) -> Result<(), Failure> {
    let bad = |what: &'static str| move |error: custodia_core::identity::TextError| Failure::usage(format!("{what}: {error}"), "");
    let new = NewOffice {
        id,
        country: country.parse().map_err(bad("--country"))?,
        name: name.parse().map_err(bad("--name"))?,
        from: now()?,
        years,
    };
    std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
    let office = Office::found(folder, &new, &passphrase(settings.passphrase_fd, "the new office", true)?, COST)?;
    write_new(&folder.join("root.der"), office.root().der())?;
    note("The root certificate is root.der; give it to the other offices. Keep the folder and its passphrase offline.");
    answer(&Founded {
        office: office.root().office().clone(),
        root: office.root().id().digest(),
        path: printable_path(&folder.join("root.der")),
    })
}

fn draw_up(list: &Path, offices: &[String], after: &[PathBuf], threshold: u16) -> Result<(), Failure> {
    let offices = offices.iter().map(|text| listed(text)).collect::<Result<_, _>>()?;
    let draft = TrustListDraft { issued: claimed(OffsetDateTime::now_utc())?, threshold, offices };
    let unusable = |error: custodia_core::identity::TrustListError| Failure::usage(format!("the trust list: {error}"), "");
    let mut last: Option<TrustList> = None;
    for path in after {
        let bad =
            |error| Failure::usage(format!("{}: {error}", printable_path(path)), "Name every list from the first on, in their order.");
        let before = read_list(path)?;
        let pin = TrustPin::new(before.digest());
        last = Some(match &last {
            None => before.verify_first(&pin).map_err(bad)?,
            Some(last) => before.verify_successor(last).map_err(bad)?,
        });
    }
    if let Some(last) = last {
        let next = draft.after(&last).map_err(unusable)?;
        write_new(list, next.to_json().as_bytes())?;
        note(&format!(
            "List {}, to be signed by {} of the offices of list {}; its SHA-256:",
            last.number() + 1,
            last.threshold(),
            last.number()
        ));
        return answer(&Drawn { pin: next.digest(), path: printable_path(list) });
    }
    let first = draft.first().map_err(unusable)?;
    write_new(list, first.to_json().as_bytes())?;
    note("Pin of the first trust list; everybody compares it by another way than this server:");
    answer(&Drawn { pin: first.digest(), path: printable_path(list) })
}

/// Reads `ROOT.der[@UNTIL][+ROOT.der[@UNTIL]…]:roles[:supervised]`.
fn listed(text: &str) -> Result<ListedOffice, Failure> {
    let wrong = |problem: String| Failure::usage(format!("--office {text}: {problem}"), "Write ROOT.der:roles[:supervised offices].");
    let moment = |time: LogTime| {
        let time = OffsetDateTime::from_unix_timestamp(i64::try_from(time.seconds()).unwrap_or(i64::MAX));
        time.map_err(|_| wrong("its validity is out of range".to_owned())).and_then(claimed)
    };
    let root = |text: &str| -> Result<OfficeRoot, Failure> {
        let (path, until) = text.split_once('@').map_or((text, None), |(path, until)| (path, Some(until)));
        let certificate = RootCertificate::parse(&read_bytes(Path::new(path))?).map_err(|error| wrong(error.to_string()))?;
        let until = match until {
            None => moment(certificate.not_after())?,
            Some(day) => ClaimedTime::parse(&format!("{day}T00:00:00Z")).map_err(|_| wrong(format!("{day} is no day, YYYY-MM-DD")))?,
        };
        Ok(OfficeRoot { from: moment(certificate.not_before())?, until, certificate })
    };
    let mut parts = text.split(':');
    let (Some(roots), Some(roles), supervised, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(wrong("not two or three parts".to_owned()));
    };
    let roots: Vec<OfficeRoot> = roots.split('+').map(root).collect::<Result<_, _>>()?;
    let office = roots.last().map(|root| root.certificate.clone()).ok_or_else(|| wrong("no root".to_owned()))?;
    let roles: BTreeSet<&str> = roles.split(',').collect();
    let known: Vec<Role> = Role::ALL.into_iter().filter(|role| roles.contains(role.as_str())).collect();
    if known.len() != roles.len() {
        return Err(wrong("a role is not prosecutor, auditor, recovery or administrator".to_owned()));
    }
    let supervises = supervised.map_or_else(|| Ok(vec![]), |offices| offices.split(',').map(str::parse).collect::<Result<_, _>>());
    Ok(ListedOffice {
        id: office.office().clone(),
        name: office.name().clone(),
        country: office.country(),
        roles: known,
        supervises: supervises.map_err(|error: custodia_core::ids::IdTextError| wrong(error.to_string()))?,
        roots,
    })
}

/// An office of a list, for the officer who is asked to sign it.
fn listing(office: &ListedOffice) -> String {
    let roles: Vec<&str> = office.roles.iter().map(|role| role.as_str()).collect();
    let roots: Vec<String> =
        office.roots.iter().map(|root| format!("root {} until {}", root.certificate.id(), root.until.as_str())).collect();
    let supervises: Vec<&str> = office.supervises.iter().map(OfficeId::as_str).collect();
    let supervises = if supervises.is_empty() { String::new() } else { format!("; supervises {}", supervises.join(", ")) };
    format!("{} ({}, {}): {}; {}{supervises}", office.id, office.name, office.country.as_str(), roles.join(", "), roots.join(", "))
}

fn read_list(path: &Path) -> Result<UnverifiedTrustList, Failure> {
    let text = read_text(path)?;
    UnverifiedTrustList::parse(text.as_bytes()).map_err(|error| Failure::malformed(path, error, ""))
}

fn desk(settings: &Settings, server: &ServerFlags) -> Result<OfficeDesk, Failure> {
    Ok(OfficeDesk::new(&settings.address(server)?, &settings.card(&server.card)?, clock())?)
}

fn now() -> Result<LogTime, Failure> {
    let seconds = u64::try_from(OffsetDateTime::now_utc().unix_timestamp()).unwrap_or_default();
    LogTime::from_millis(seconds * 1000).map_err(|error| Failure::new(Code::Machine, error.to_string(), "Set this machine's clock."))
}

fn claimed(moment: OffsetDateTime) -> Result<ClaimedTime, Failure> {
    let text = moment.replace_nanosecond(0).ok().and_then(|moment| moment.format(&Rfc3339).ok());
    text.and_then(|text| ClaimedTime::parse(&text).ok())
        .ok_or_else(|| Failure::new(Code::Machine, "this machine's clock shows no usable time", "Set it."))
}
