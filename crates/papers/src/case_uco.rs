//! The custody in CASE/UCO 1.5 (JSON-LD), for the tools that read it.
//!
//! | here | there |
//! | --- | --- |
//! | the case | `Investigation`, with each legal basis as its `relevantAuthorization` |
//! | an exhibit | `ProvenanceRecord` with `exhibitNumber` and `rootExhibitNumber`; its files are `ObservableObject`s with a `ContentDataFacet` |
//! | an act | `InvestigativeAction`, informed by the one before; its performer is a `Person`, whose office is an `Organization` |
//! | the acquisition | an `InvestigativeAction` of its own: tool and write blocker as `Tool`, the source as `Device` or `Person` |
//!
//! Hashes are SHA-256 alone: the vocabulary has no BLAKE3. Texts are given as they were written, not made harmless for showing. Every node has an
//! IRI that ends with a UUID, as UCO asks for, made from what the node is about: the same dossier gives the same IRIs.
//! Source: CASE 1.5.0, UCO 1.5.0 (<https://ontology.caseontology.org>).

use custodia_core::digest::Sha256Digest;
use custodia_core::exhibit::intake::{Intake, LegalBasis};
use custodia_core::exhibit::text::Line;
use serde_json::{Value, json};

use crate::model::{Act, Actor, Detail, ExhibitFacts, FileFacts, ReportModel};

/// The graph as JSON-LD.
pub fn graph(model: &ReportModel) -> Value {
    let mut nodes = Nodes::default();
    let mut objects = Vec::new();
    let mut authorizations = Vec::new();
    for exhibit in &model.exhibits {
        objects.push(reference(&provenance_id(exhibit)));
        nodes.exhibit(exhibit, &mut authorizations);
    }
    let case = model.dossier.case.to_string();
    let mut investigation = json!({
        "@id": id("investigation", &case),
        "@type": "case-investigation:Investigation",
        "uco-core:externalReference": reference(&nodes.external(&case)),
        "uco-core:object": objects,
    });
    if let Some(title) = &model.dossier.case_title {
        investigation["uco-core:name"] = json!(title);
    }
    if !authorizations.is_empty() {
        investigation["case-investigation:relevantAuthorization"] = Value::Array(authorizations);
    }
    nodes.add(investigation);
    json!({
        "@context": {
            "case-investigation": "https://ontology.caseontology.org/case/investigation/",
            "kb": format!("https://{}/kb/", model.dossier.origin),
            "uco-action": "https://ontology.unifiedcyberontology.org/uco/action/",
            "uco-core": "https://ontology.unifiedcyberontology.org/uco/core/",
            "uco-identity": "https://ontology.unifiedcyberontology.org/uco/identity/",
            "uco-location": "https://ontology.unifiedcyberontology.org/uco/location/",
            "uco-observable": "https://ontology.unifiedcyberontology.org/uco/observable/",
            "uco-tool": "https://ontology.unifiedcyberontology.org/uco/tool/",
            "uco-types": "https://ontology.unifiedcyberontology.org/uco/types/",
            "xsd": "http://www.w3.org/2001/XMLSchema#",
        },
        "@graph": nodes.list,
    })
}

/// `kb:<kind>-<UUID>`: the UUID is made of the SHA-256 of kind and key, in the form of version 5, the last that UCO's shapes know.
fn id(kind: &str, key: &str) -> String {
    let digest = Sha256Digest::of(&[kind.as_bytes(), b"\0", key.as_bytes()]);
    let mut bytes: [u8; 16] = core::array::from_fn(|place| digest.as_bytes()[place]);
    bytes[6] = (bytes[6] & 0x0f) | 0x50;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    format!("kb:{kind}-{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn reference(id: &str) -> Value {
    json!({ "@id": id })
}

fn moment(rfc3339: &str) -> Value {
    json!({ "@type": "xsd:dateTime", "@value": rfc3339 })
}

fn provenance_id(exhibit: &ExhibitFacts) -> String {
    id("exhibit", &exhibit.id.to_string())
}

/// The nodes so far, each once.
#[derive(Default)]
struct Nodes {
    list: Vec<Value>,
    known: std::collections::BTreeSet<String>,
}

impl Nodes {
    fn add(&mut self, node: Value) -> String {
        let id = node["@id"].as_str().unwrap_or_default().to_owned();
        if self.known.insert(id.clone()) {
            self.list.push(node);
        }
        id
    }

    fn external(&mut self, case: &str) -> String {
        self.add(json!({
            "@id": id("reference", case),
            "@type": "uco-core:ExternalReference",
            "uco-core:definingContext": "Custodia case id",
            "uco-core:externalIdentifier": case,
        }))
    }

    fn exhibit(&mut self, exhibit: &ExhibitFacts, authorizations: &mut Vec<Value>) {
        let provenance = provenance_id(exhibit);
        let mut node = json!({
            "@id": provenance,
            "@type": "case-investigation:ProvenanceRecord",
            "uco-core:description": format!("Custodia exhibit {}", exhibit.id),
        });
        let files: Vec<Value> = exhibit.files.iter().map(|file| reference(&self.file(exhibit, file))).collect();
        if !files.is_empty() {
            node["uco-core:object"] = Value::Array(files);
        }
        if let Some(intake) = &exhibit.intake {
            let root = intake.root_exhibit_number.as_ref().unwrap_or(&intake.exhibit_number);
            node["uco-core:name"] = json!(intake.title.as_str());
            node["case-investigation:exhibitNumber"] = json!(intake.exhibit_number.as_str());
            node["case-investigation:rootExhibitNumber"] = json!(root.as_str());
            authorizations.push(reference(&self.authorization(&intake.legal_basis)));
        }
        self.add(node);
        let mut before = exhibit.intake.as_ref().map(|intake| self.acquisition(exhibit, intake, &provenance));
        for act in &exhibit.acts {
            before = Some(self.act(act, &provenance, before.as_deref()));
        }
    }

    fn file(&mut self, exhibit: &ExhibitFacts, file: &FileFacts) -> String {
        let key = format!("{}/{}", exhibit.id, file.path);
        let mut facet = json!({
            "@id": id("file-facet", &key),
            "@type": "uco-observable:FileFacet",
            "uco-observable:fileName": file.path.rsplit('/').next().unwrap_or_default(),
            "uco-observable:filePath": file.path,
            "uco-observable:sizeInBytes": { "@type": "xsd:integer", "@value": file.size.to_string() },
        });
        if let Some(modified) = &file.modified {
            facet["uco-observable:modifiedTime"] = moment(modified);
        }
        self.add(json!({
            "@id": id("file", &key),
            "@type": "uco-observable:File",
            "uco-core:hasFacet": [facet, {
                "@id": id("content-facet", &key),
                "@type": "uco-observable:ContentDataFacet",
                "uco-observable:mimeType": file.media_type,
                "uco-observable:sizeInBytes": { "@type": "xsd:integer", "@value": file.size.to_string() },
                "uco-observable:hash": {
                    "@id": id("hash", &key),
                    "@type": "uco-types:Hash",
                    "uco-types:hashMethod": "SHA256",
                    "uco-types:hashValue": { "@type": "xsd:hexBinary", "@value": file.sha256.to_string() },
                },
            }],
        }))
    }

    fn authorization(&mut self, basis: &LegalBasis) -> String {
        let key = format!("{}\0{}\0{}", basis.kind.as_str(), basis.identifier.as_str(), basis.authority.as_str());
        let mut node = json!({
            "@id": id("authorization", &key),
            "@type": "case-investigation:Authorization",
            "uco-core:name": format!("{} ({})", basis.authority.as_str(), String::from(basis.state)),
            "case-investigation:authorizationType": basis.kind.as_str(),
            "case-investigation:authorizationIdentifier": basis.identifier.as_str(),
            // A day without a zone: none is stated.
            "uco-core:startTime": moment(&format!("{}T00:00:00", basis.valid_from)),
        });
        if let Some(until) = &basis.valid_to {
            node["uco-core:endTime"] = moment(&format!("{until}T23:59:59"));
        }
        self.add(node)
    }

    fn named(&mut self, kind: &str, class: &str, name: &str) -> Value {
        reference(&self.add(json!({ "@id": id(kind, name), "@type": class, "uco-core:name": name })))
    }

    /// How the exhibit was acquired, as its intake states it.
    fn acquisition(&mut self, exhibit: &ExhibitFacts, intake: &Intake, provenance: &str) -> String {
        let (collected, acquisition) = (&intake.collected, &intake.acquisition);
        let mut action = json!({
            "@id": id("acquisition", &exhibit.id.to_string()),
            "@type": "case-investigation:InvestigativeAction",
            "uco-core:name": "acquisition",
            "uco-core:description": acquisition.method.as_str(),
            "uco-action:startTime": moment(collected.at.as_str()),
            "uco-action:performer": self.named("collector", "uco-identity:Person", collected.by.as_str()),
            "uco-action:location": self.named("location", "uco-location:Location", collected.place.as_str()),
            "uco-action:result": reference(provenance),
        });
        let mut sources: Vec<Value> =
            intake.source.person.iter().map(|person| self.named("source", "uco-identity:Identity", person.as_str())).collect();
        sources.extend(intake.source.device.as_ref().map(|device| {
            let maker = self.named("maker", "uco-identity:Organization", device.make.as_str());
            let key = format!("{}/device", exhibit.id);
            let mut facet = json!({
                "@id": id("device-facet", &key),
                "@type": "uco-observable:DeviceFacet",
                "uco-observable:manufacturer": maker,
                "uco-observable:model": device.model.as_str(),
            });
            if let Some(serial) = &device.serial {
                facet["uco-observable:serialNumber"] = json!(serial.as_str());
            }
            let mut node = json!({ "@id": id("device", &key), "@type": "uco-observable:Device", "uco-core:hasFacet": facet });
            if let Some(seconds) = device.clock_deviation_seconds {
                node["uco-core:description"] = json!(format!("clock deviation (device minus true time): {seconds} s"));
            }
            reference(&self.add(node))
        }));
        action["uco-action:object"] = Value::Array(sources);
        let tools = [("tool", &acquisition.tool), ("write blocker", &acquisition.write_blocker)];
        let instruments: Vec<Value> = tools
            .into_iter()
            .filter_map(|(kind, name)| Some((kind, name.as_ref()?.as_str())))
            .map(|(kind, name)| {
                let version = acquisition.tool_version.as_ref().filter(|_| kind == "tool").map(Line::as_str);
                let mut tool = json!({
                    "@id": id("tool", &format!("{kind}\0{name}\0{}", version.unwrap_or_default())),
                    "@type": "uco-tool:Tool",
                    "uco-core:name": name,
                    "uco-tool:toolType": kind,
                });
                if let Some(version) = version {
                    tool["uco-tool:version"] = json!(version);
                }
                reference(&self.add(tool))
            })
            .collect();
        if !instruments.is_empty() {
            action["uco-action:instrument"] = Value::Array(instruments);
        }
        self.add(action)
    }

    fn actor(&mut self, actor: &Actor) -> String {
        let person = self.add(json!({
            "@id": id("person", &actor.certificate),
            "@type": "uco-identity:Person",
            "uco-core:name": actor.name,
            "uco-core:tag": actor.person,
        }));
        let office = self.add(json!({
            "@id": id("office", &format!("{}\0{}", actor.office, actor.office_name.as_deref().unwrap_or_default())),
            "@type": "uco-identity:Organization",
            "uco-core:name": actor.office_name.as_deref().unwrap_or(&actor.office),
            "uco-core:tag": actor.office,
        }));
        self.add(json!({
            "@id": id("membership", &format!("{person}\0{office}")),
            "@type": "uco-core:Relationship",
            "uco-core:isDirectional": true,
            "uco-core:kindOfRelationship": "Member_Of",
            "uco-core:source": reference(&person),
            "uco-core:target": reference(&office),
        }));
        person
    }

    fn act(&mut self, act: &Act, provenance: &str, before: Option<&str>) -> String {
        let performer = self.actor(&act.actor);
        let outcome = act.refused_by.as_ref().map(|refused| format!("refused by rule {}", refused.rule));
        let parts = [
            Some(format!("record {} of the log", act.record)),
            outcome,
            act.purpose.map(|purpose| format!("purpose: {}", purpose.as_str())),
            (act.detail != Detail::None {}).then(|| format!("detail: {}", serde_json::to_string(&act.detail).unwrap_or_default())),
            act.stated.as_ref().map(|stated| format!("reason: {}", stated.reason.as_str())),
        ];
        let description: Vec<String> = parts.into_iter().flatten().collect();
        let mut action = json!({
            "@id": id("act", &format!("{provenance}\0{}", act.record)),
            "@type": "case-investigation:InvestigativeAction",
            "uco-core:name": act.kind.as_str(),
            "uco-core:description": description.join("\n"),
            "uco-action:actionStatus": if act.refused_by.is_some() { "Fail" } else { "Success" },
            "uco-action:startTime": moment(&act.time.claimed),
            "uco-action:endTime": moment(&act.time.log),
            "uco-action:performer": reference(&performer),
            "uco-action:object": reference(provenance),
        });
        let recipients: Vec<Value> = act.recipients.iter().map(|name| self.named("recipient", "uco-identity:Identity", name)).collect();
        if !recipients.is_empty() {
            action["uco-action:participant"] = Value::Array(recipients);
        }
        if let Some(before) = before {
            action["case-investigation:wasInformedBy"] = reference(before);
        }
        self.add(action)
    }
}
