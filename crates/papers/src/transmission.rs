//! The manifest that goes with data handed over outside the e-Evidence system.
//!
//! Source: Implementing Regulation (EU) 2025/1550, Annex, 3.3.3: sender and recipient; link to the order; date and time; means of transmission;
//! file names; sizes; at least one hash with its algorithm; where applicable, until when the data are accessible (10 to 45 days).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::model::ReportModel;

/// The fewest and the most days for which data are accessible, where that is limited.
pub const ACCESSIBLE_DAYS: core::ops::RangeInclusive<u16> = 10..=45;

/// What the maker states of the transmission; the rest follows from the dossier.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transmission {
    /// By which means, in words; none for the dossier as one file.
    pub means: Option<String>,
    /// The order that it answers; none for the legal bases of the exhibits.
    pub order: Option<String>,
    /// For how many days from the making on the data are accessible, where that is limited: [`ACCESSIBLE_DAYS`].
    pub accessible_days: Option<u16>,
}

/// The manifest as JSON.
pub fn manifest(model: &ReportModel, transmission: &Transmission) -> Value {
    let sender = match &model.dossier.maker {
        Some(maker) => json!({
            "person": maker.person,
            "name": maker.name,
            "office": maker.office_name.as_deref().unwrap_or(&maker.office),
            "country": maker.country,
        }),
        None => json!({ "person": model.dossier.by }),
    };
    let mut orders: Vec<Value> = match &transmission.order {
        Some(order) => vec![json!({ "identifier": order })],
        None => Vec::new(),
    };
    if orders.is_empty() {
        for basis in model.exhibits.iter().filter_map(|exhibit| Some(&exhibit.intake.as_ref()?.legal_basis)) {
            let order = json!({
                "type": basis.kind.as_str(),
                "identifier": basis.identifier.as_str(),
                "authority": basis.authority.as_str(),
                "state": String::from(basis.state),
            });
            if !orders.contains(&order) {
                orders.push(order);
            }
        }
    }
    let files = model.exhibits.iter().flat_map(|exhibit| {
        let number = exhibit.intake.as_ref().map(|intake| intake.exhibit_number.as_str());
        exhibit.files.iter().map(move |file| {
            json!({
                "exhibit": exhibit.id,
                "exhibitNumber": number,
                "name": file.path,
                "size": file.size,
                "hashes": [
                    { "algorithm": "SHA-256", "value": file.sha256 },
                    { "algorithm": "BLAKE3", "value": file.blake3 },
                ],
            })
        })
    });
    let mut manifest = json!({
        "version": 1,
        "regulation": "Implementing Regulation (EU) 2025/1550, Annex, 3.3.3",
        "sender": sender,
        "recipients": model.dossier.recipients,
        "orders": orders,
        "dateTime": model.dossier.made,
        "meansOfTransmission": transmission.means.as_deref().unwrap_or("one file: a Custodia dossier (BagIt in ZIP)"),
        "filesIncluded": model.dossier.files,
        "files": files.collect::<Vec<_>>(),
    });
    if let Some(until) = transmission.accessible_days.and_then(|days| later(&model.dossier.made, days)) {
        manifest["accessibleUntil"] = json!(until);
    }
    manifest
}

/// The moment some days later, in the same zone.
fn later(rfc3339: &str, days: u16) -> Option<String> {
    let moment = OffsetDateTime::parse(rfc3339, &Rfc3339).ok()?;
    moment.checked_add(Duration::days(days.into()))?.format(&Rfc3339).ok()
}
