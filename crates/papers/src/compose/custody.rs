//! The custody of one exhibit, act by act.

use custodia_core::custody::intent::ClockSource;
use custodia_core::dossier::stamps::TimeIs;

use super::{Page, moment, person};
use crate::document::{Row, Text};
use crate::model::{Act, Detail};
use crate::words::Words;

pub(super) fn table(page: &mut Page, acts: &[Act]) {
    let words = page.words;
    let head = ["custody.record", "custody.when", "custody.what", "custody.who", "custody.why"];
    let rows = acts.iter().map(|act| Row {
        marked: act.refused_by.is_some(),
        cells: vec![Text::plain(act.record.to_string()), when(words, act), what(words, act), person(words, &act.actor), why(words, act)],
    });
    page.table("custody.caption", &head, rows.collect());
}

fn when(words: Words, act: &Act) -> Text {
    let text = Text::plain(moment(&act.time.log)).line();
    let text = text.and(words.get(match act.time.is {
        TimeIs::Proven => "time.proven",
        TimeIs::Stated => "time.stated",
        TimeIs::Contradicted => "time.contradicted",
    }));
    let bounds = [("time.after", &act.time.after), ("time.before", &act.time.before)];
    let text = bounds.into_iter().fold(text, |text, (key, bound)| match bound {
        Some(bound) => text.line().and(words.fill(key, &[("moment", &moment(&bound.time))])),
        None => text,
    });
    let clock = match act.time.clock {
        ClockSource::Os => "clock.os",
        ClockSource::Ntp => "clock.ntp",
        ClockSource::Manual => "clock.manual",
    };
    text.line().and(words.fill("time.claimed", &[("moment", &moment(&act.time.claimed)), ("clock", words.get(clock))]))
}

fn what(words: Words, act: &Act) -> Text {
    let text = Text::new().strong(words.of("kind", act.kind.as_str()));
    let text = detail(words, text, &act.detail);
    let Some(refused) = &act.refused_by else { return text };
    let text = text.line().strong(words.fill("custody.refused", &[("rule", &refused.rule)]));
    let text = match &refused.demands {
        Some(demands) => text.line().english(demands),
        None => text,
    };
    if act.attempts > 1 { text.line().and(words.fill("custody.attempts", &[("count", &act.attempts.to_string())])) } else { text }
}

fn detail(words: Words, text: Text, detail: &Detail) -> Text {
    match detail {
        Detail::None {} => text,
        Detail::Export {} => text.line().and(words.get("detail.export")),
        Detail::Grant { person, name } => {
            let text = text.line().and(words.get("detail.grant"));
            let text = name.iter().fold(text, |text, name| text.and(" ").quoted(name));
            person.iter().fold(text, |text, person| text.and(" (").code(person.as_str()).and(")"))
        }
        Detail::Dossier { this: true, .. } => text.line().and(words.get("detail.dossier_this")),
        Detail::Dossier { payload, this: false } => text.line().and(words.get("detail.dossier_other")).and(" ").code(payload.to_string()),
        Detail::Transfer { means } => text.line().and(format!("{} {}", words.get("detail.transfer"), words.of("means", means))),
        Detail::Alteration { handling, review } => {
            let text = handling.iter().fold(text, |text, code| text.line().and(words.fill("detail.handling", &[("code", code)])));
            review.iter().fold(text, |text, date| text.line().and(words.fill("detail.review", &[("date", date)])))
        }
        Detail::Source { how } => text.line().and(words.fill("detail.source", &[("how", &words.of("derivation", how))])),
        Detail::ErasureProposed {} => text.line().and(words.get("detail.erasure_proposed")),
        Detail::ErasureConfirmed {} => text.line().and(words.get("detail.erasure_confirmed")),
        Detail::ConsentJudicial {} => text.line().and(words.get("detail.consent_judicial")),
        Detail::ConsentOnward {} => text.line().and(words.get("detail.consent_onward")),
    }
}

fn why(words: Words, act: &Act) -> Text {
    let mut text = Text::new();
    if let Some(purpose) = act.purpose {
        text = text.and(format!("{} {}", words.get("custody.purpose"), words.of("purpose", purpose.as_str())));
    }
    if !act.recipients.is_empty() {
        text = text.line().and(words.get("custody.recipients")).and(" ").quoted(&act.recipients.join("; "));
    }
    let Some(stated) = &act.stated else { return text.line().and(words.get("custody.sealed")) };
    text = text.line().and(words.get("custody.reason")).and(" ").quoted(stated.reason.as_str());
    let more = [
        ("custody.reference", &stated.reference),
        ("custody.case_title", &stated.case_title),
        ("custody.exhibit_title", &stated.exhibit_title),
    ];
    for (key, value) in more {
        if let Some(value) = value {
            text = text.line().and(words.get(key)).and(" ").quoted(value.as_str());
        }
    }
    text
}
