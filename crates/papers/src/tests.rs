//! Catalogues are whole; pages are well formed and harmless, whatever somebody wrote; the graph and the manifest hold what they must.

use std::collections::{BTreeMap, BTreeSet};

use custodia_core::custody::kind::{Concern, Kind, Purpose};
use custodia_core::exhibit::intake::{
    DerivationForm, ExhibitKind, HandlingCode, InformationAccuracy, LegalBasisType, PersonCategory, SourceReliability,
};
use custodia_core::finding::Verdict;
use custodia_core::identity::Role;

use crate::compose::CHECKS;
use crate::document::Block;
use crate::model::ReportModel;
use crate::transmission::Transmission;
use crate::words::next_name;
use crate::{Language, case_uco, document, html, transmission};

mod sample;

use sample::model;

/// What would run, break out, hide or reorder, if it were not made harmless.
const ATTACKS: [&str; 6] = [
    "</title><script>alert(1)</script>",
    "\" onmouseover=\"alert(1)",
    "' autofocus onfocus='alert(1)",
    "<!-- <img src=x onerror=alert(1)> &lt;b&gt;",
    "payroll\u{202e}fdp.exe \u{2066}hidden\u{2069} \u{200f}rtl\u{feff}",
    "]]></style><link rel=stylesheet href=//evil.example>",
];

/// Names of the Union and beyond, and one as long as a field allows.
const SCRIPTS: [&str; 6] =
    ["Υπόθεση «Ήλιος» – Θεσσαλονίκη", "Дело „Слънце“ № 5", "قضية الشمس ٢٠٢٦", "事件 太陽 第五號", "Ștefan Țurcanu, Győr, Łódź", "תיק שמש"];

/// Keys that are put together of a group and a word.
fn composed() -> BTreeSet<String> {
    let exhibit_kinds = Kind::ALL.into_iter().filter(|kind| kind.concern() == Concern::Exhibit).map(Kind::as_str);
    let groups: Vec<(&str, Vec<&str>)> = vec![
        ("kind", exhibit_kinds.collect()),
        ("purpose", Purpose::ALL.into_iter().map(Purpose::as_str).collect()),
        ("role", Role::ALL.into_iter().map(Role::as_str).collect()),
        ("exhibit_kind", ExhibitKind::WORDS.to_vec()),
        ("handling", HandlingCode::WORDS.to_vec()),
        ("reliability", SourceReliability::WORDS.to_vec()),
        ("accuracy", InformationAccuracy::WORDS.to_vec()),
        ("category", PersonCategory::WORDS.to_vec()),
        ("legal", LegalBasisType::WORDS.to_vec()),
        ("derivation", DerivationForm::WORDS.to_vec()),
        ("means", vec!["usb", "courier", "post", "in-person", "other-system"]),
        ("check", CHECKS.to_vec()),
    ];
    groups.into_iter().flat_map(|(group, words)| words.into_iter().map(move |word| format!("{group}.{word}"))).collect()
}

/// Keys that the sources name: what stands in quotes, is lower case and has one dot.
fn named() -> BTreeSet<String> {
    let sources = [
        include_str!("compose.rs"),
        include_str!("compose/custody.rs"),
        include_str!("compose/exhibit.rs"),
        include_str!("compose/proof.rs"),
    ];
    let is_key = |text: &&str| {
        text.split_once('.').is_some_and(|(group, word)| {
            let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            plain(group) && plain(word)
        })
    };
    sources.iter().flat_map(|source| source.split('"').skip(1).step_by(2)).filter(is_key).map(str::to_owned).collect()
}

fn names_in(text: &str) -> BTreeSet<&str> {
    let (mut names, mut rest) = (BTreeSet::new(), text);
    while let Some((_, name, after)) = next_name(rest) {
        names.insert(name);
        rest = after;
    }
    names
}

#[test]
fn every_language_has_every_key_with_the_same_names_in_it_and_no_key_is_unused() {
    let used: BTreeSet<String> = composed().union(&named()).cloned().collect();
    let english = Language::En.words().all();
    for language in Language::ALL {
        let catalogue = language.words().all();
        let keys: BTreeSet<String> = catalogue.keys().cloned().collect();
        let (missing, unused): (Vec<_>, Vec<_>) = (used.difference(&keys).collect(), keys.difference(&used).collect());
        assert!(missing.is_empty() && unused.is_empty(), "{}: missing {missing:?}, unused {unused:?}", language.code());
        for (key, text) in catalogue {
            assert!(!text.trim().is_empty(), "{} {key}", language.code());
            assert_eq!(names_in(text), names_in(&english[key]), "{} {key}", language.code());
        }
    }
    assert!(used.len() > 200, "{}", used.len());
}

#[test]
fn a_language_is_known_by_its_code_and_its_locale() {
    for language in Language::ALL {
        assert_eq!(language.code().parse(), Ok(language));
    }
    assert!("FR".parse::<Language>().is_err() && "pl".parse::<Language>().is_err());
    for (locale, language) in
        [("fr_BE.UTF-8", Some(Language::Fr)), ("nl", Some(Language::Nl)), ("C.UTF-8", None), ("pl_PL", None), ("", None)]
    {
        assert_eq!(Language::of_locale(locale), language, "{locale}");
    }
}

/// Elements and their attributes in order, with depth; fails if a tag is not closed in order.
fn tags(html: &str) -> Vec<(usize, String, BTreeMap<String, String>)> {
    const EMPTY: [&str; 3] = ["meta", "br", "!DOCTYPE"];
    let (mut open, mut seen) = (Vec::<String>::new(), Vec::new());
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, after) = after.split_once('>').expect("a tag ends");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "tags close in order");
            continue;
        }
        let name = tag.split_whitespace().next().expect("a tag has a name").to_owned();
        let mut attributes = BTreeMap::new();
        let mut text = tag[name.len()..].trim();
        while let Some((key, value)) = text.split_once("=\"") {
            let (value, after) = value.split_once('"').expect("an attribute ends");
            assert!(key.trim().chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{tag}");
            attributes.insert(key.trim().to_owned(), value.to_owned());
            text = after;
        }
        seen.push((open.len(), name.clone(), attributes));
        if name == "style" {
            rest = &rest[rest.find("</style>").expect("the style ends")..];
        }
        if !EMPTY.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    seen
}

/// What every page keeps, whatever it says.
fn check_page(html: &str, language: Language) {
    const ALLOWED: [&str; 29] = [
        "!DOCTYPE", "html", "head", "meta", "title", "style", "body", "a", "header", "h1", "h2", "h3", "nav", "p", "ol", "ul", "li",
        "main", "div", "table", "caption", "thead", "tbody", "tr", "th", "td", "bdi", "code", "strong",
    ];
    let tags = tags(html);
    let mut ids = BTreeSet::new();
    let mut last_level = 0;
    for (_, name, attributes) in &tags {
        assert!(ALLOWED.contains(&name.as_str()) || ["br", "span"].contains(&name.as_str()), "{name}");
        for (key, value) in attributes {
            assert!(!key.starts_with("on") && !["src", "style", "srcset", "action"].contains(&key.as_str()), "{key}");
            if key == "href" {
                assert!(value.starts_with('#'), "nothing is loaded or linked from elsewhere: {value}");
            }
            if key == "id" {
                assert!(ids.insert(value.clone()), "{value} occurs twice");
            }
        }
        if let Some(level) = name.strip_prefix('h').and_then(|level| level.parse::<u8>().ok()) {
            assert!(level <= last_level + 1, "no level is skipped");
            last_level = level;
        }
    }
    for (_, _, attributes) in tags.iter().filter(|(_, name, _)| name == "a") {
        assert!(ids.contains(&attributes["href"][1..]), "{attributes:?} leads nowhere");
    }
    let count = |wanted: &str| tags.iter().filter(|(_, name, _)| name == wanted).count();
    assert_eq!((count("h1"), count("main"), count("title"), count("style")), (1, 1, 1, 1));
    assert_eq!(count("table"), count("caption"));
    assert_eq!(tags[1].2["lang"], language.code());
    assert!(tags.iter().filter(|(_, name, _)| name == "th").all(|(_, _, attributes)| attributes.contains_key("scope")));
    // Each row of a table begins with a head, or is all heads.
    for (place, _) in tags.iter().enumerate().filter(|(_, (_, name, _))| name == "tr") {
        assert_eq!(tags[place + 1].1, "th", "a row without a head");
    }
    let policy = &tags.iter().find(|(_, _, attributes)| attributes.contains_key("http-equiv")).expect("a policy").2["content"];
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    for c in html.chars() {
        assert!(!c.is_control() || c == '\n', "{c:?}");
        assert!(!matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{feff}'), "{c:?}");
    }
}

#[test]
fn pages_are_well_formed_and_harmless_in_every_language_whatever_somebody_wrote() {
    let long = "x".repeat(500);
    for title in ATTACKS.iter().chain(&SCRIPTS).copied().chain([long.as_str()]) {
        for language in Language::ALL {
            let page = html::render(&document(&model(title), language));
            check_page(&page, language);
            assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<link"), "{title}");
        }
    }
    for title in SCRIPTS {
        let page = html::render(&document(&model(title), Language::En));
        assert!(page.matches(&format!("<bdi class=\"quoted\">{title}</bdi>")).count() > 10, "{title} is shown as it was written");
    }
}

#[test]
fn a_page_says_verdict_keys_limits_and_the_whole_custody() {
    let model = model("Case Sun");
    for language in Language::ALL {
        let words = language.words();
        let page = html::render(&document(&model, language));
        for key in
            ["verdict.indeterminate", "limits.copies", "limits.report", "self.trust", "custody.sealed", "time.stated", "withheld.unnamed"]
        {
            assert!(page.contains(&html::escaped(words.get(key))), "{} {key}", language.code());
        }
        let sealed = model.exhibits[0].files[0].sha256.to_string();
        for text in
            ["INDETERMINATE", "vault.example/log+c0ffee00+AbCd", "auditor.example/1+00000001+AbCd", "EIO 2026/7", "ACC-05", sealed.as_str()]
        {
            assert!(page.contains(text), "{} {text}", language.code());
        }
        assert!(page.contains(&html::escaped(&words.fill("custody.refused", &[("rule", "ACC-05")]))));
        assert!(page.contains("2026-11-23 20:04:05.123 UTC") && page.contains("2026-11-23 21:04:03 +01:00"));
        assert_eq!(page.matches("<tr class=\"marked\">").count(), 2, "the refused act and the failed check stand out");
    }
}

#[test]
fn every_verdict_and_every_key_that_is_missing_is_said() {
    let mut model = model("Case Sun");
    model.keys.cosigners.clear();
    model.keys.stamps.clear();
    model.withheld.clear();
    model.dossier.case_title = None;
    model.dossier.maker = None;
    for (verdict, key) in [(Verdict::Passed, "verdict.passed"), (Verdict::Failed, "verdict.failed")] {
        model.verification.verdict = verdict;
        let page = html::render(&document(&model, Language::En));
        check_page(&page, Language::En);
        let words = Language::En.words();
        assert!(page.contains(&words.fill(key, &[("record", "39")])));
        for key in ["keys.no_cosigners", "keys.no_stamps", "withheld.none"] {
            assert!(page.contains(words.get(key)), "{key}");
        }
    }
}

#[test]
fn the_model_and_the_document_read_back_from_json() {
    let model = model("Case Sun");
    let json = serde_json::to_string(&model).unwrap();
    assert_eq!(serde_json::from_str::<ReportModel>(&json).unwrap(), model);
    let document = document(&model, Language::Fr);
    let json = serde_json::to_string(&document).unwrap();
    assert_eq!(serde_json::from_str::<crate::Document>(&json).unwrap(), document);
    let widths = document.blocks.iter().filter_map(|block| match block {
        Block::Table { head, rows, .. } => Some((head.len(), rows)),
        _ => None,
    });
    for (width, rows) in widths {
        assert!(rows.iter().all(|row| row.cells.len() == width));
    }
}

/// What the program that makes PDF of a document is tried on: `report/samples/<language>.json`.
#[test]
fn the_documents_in_the_vectors_are_those_that_are_made() {
    let title = "Ștefan Țurcanu & Υπόθεση «Ήλιος» #set page(fill: red) *x* $y$ @z `太陽 第五號` \u{202e}fdp.exe";
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../report/samples");
    for language in Language::ALL {
        let made = format!("{}\n", serde_json::to_string_pretty(&document(&model(title), language)).unwrap());
        let path = folder.join(format!("{}.json", language.code()));
        if std::env::var_os("CUSTODIA_WRITE_VECTORS").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == made,
            "{} is another: look at what changed, run this test with CUSTODIA_WRITE_VECTORS=1, then report/check",
            path.display()
        );
    }
}

#[test]
fn the_graph_names_each_node_once_hashes_by_sha_256_alone_and_performers_are_objects() {
    let model = model("Case Sun");
    let graph = case_uco::graph(&model);
    assert_eq!(case_uco::graph(&model), graph, "the same dossier has the same graph");
    let nodes = graph["@graph"].as_array().unwrap();
    let ids: BTreeSet<&str> = nodes.iter().map(|node| node["@id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), nodes.len());
    let of = |class: &str| nodes.iter().filter(|node| node["@type"] == class).collect::<Vec<_>>();
    assert_eq!(of("case-investigation:InvestigativeAction").len(), model.exhibits[0].acts.len() + 1, "each act, and the acquisition");
    for action in of("case-investigation:InvestigativeAction") {
        assert!(ids.contains(action["uco-action:performer"]["@id"].as_str().unwrap()));
    }
    let record = of("case-investigation:ProvenanceRecord")[0];
    assert_eq!(record["case-investigation:exhibitNumber"], "BE-1/2026");
    assert!(record["case-investigation:rootExhibitNumber"].is_string());
    assert_eq!(of("case-investigation:Authorization").len(), 1);
    let text = graph.to_string();
    assert!(text.contains("\"SHA256\"") && !text.contains("BLAKE3"));
}

#[test]
fn the_manifest_of_a_transmission_has_every_field_of_the_regulation() {
    let model = model("Case Sun");
    let plain = transmission::manifest(&model, &Transmission::default());
    for field in ["sender", "recipients", "orders", "dateTime", "meansOfTransmission", "files"] {
        assert!(!plain[field].is_null(), "{field}");
    }
    assert!(plain.get("accessibleUntil").is_none());
    assert_eq!(plain["orders"].as_array().unwrap().len(), 1);
    let file = &plain["files"][0];
    assert_eq!((file["name"].as_str(), file["size"].as_u64()), (Some("Case Sun"), Some(1_234_567)));
    assert_eq!(file["hashes"][0]["algorithm"], "SHA-256");
    let stated = Transmission { means: Some("courier".to_owned()), order: Some("EPOC 7".to_owned()), accessible_days: Some(45) };
    let stated = transmission::manifest(&model, &stated);
    assert_eq!((stated["meansOfTransmission"].as_str(), stated["orders"][0]["identifier"].as_str()), (Some("courier"), Some("EPOC 7")));
    assert_eq!(stated["accessibleUntil"], "2027-01-07T21:05:00+01:00");
}
