//! Rules about acts and patterns of acts. They look at acts in the order of the log and tell of those from an index on; what stands before it within
//! [`Limits::lookback_millis`] is looked at too, so that a pattern that began earlier is seen, and seen once.

use std::collections::BTreeSet;

use super::standing::is_past;
use super::{WAT_08, WAT_09, WAT_10, WAT_11, WAT_12, WAT_13, WAT_14, WAT_15, WAT_16};
use crate::custody::kind::Purpose;
use crate::ids::{DeviceId, ExhibitId, PersonId};
use crate::time::LogTime;
use crate::watch::{Act, Alert, Limits, OfficeHours, Opening};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// All rules of this page, over acts in the order of the log; alerts are for what the acts from `from` on show.
pub fn patterns(acts: &[Act], from: u64, limits: &Limits) -> Vec<Alert> {
    let mut alerts = Vec::new();
    for (place, act) in acts.iter().enumerate().filter(|(_, act)| act.index >= from) {
        let before = &acts[..place];
        alerts.extend(acted_after_removal(act, before, limits));
        alerts.extend(opened_before_removal(act, before, limits));
        alerts.extend(many_openings(act, before, limits));
        alerts.extend(outside_hours(act, limits));
        alerts.extend(export_after_grant(act, before, limits));
        alerts.extend(many_refusals(act, before, limits));
        alerts.extend(same_reason(act, before, limits));
        alerts.extend(two_devices(act, before, limits));
        alerts.extend(purpose_does_not_fit(act));
    }
    alerts
}

/// The acts before one that lie within a window before its time, the last first.
fn within(before: &[Act], time: LogTime, window: u64) -> impl Iterator<Item = &Act> {
    before.iter().rev().take_while(move |one| time.millis().saturating_sub(one.time.millis()) <= window)
}

/// WAT-08.
pub fn acted_after_removal(act: &Act, before: &[Act], limits: &Limits) -> Option<Alert> {
    let (device, person) = act.actor.as_ref()?;
    let rule = act.refused_by.as_ref()?;
    let removal = within(before, act.time, limits.removal_hours.saturating_mul(HOUR))
        .find(|one| one.accepted() && one.ended.contains(device) && (one.case == act.case || one.actor.is_none()))?;
    let text = format!(
        "the device of {person} tried {}, attempts: {}, refused by {rule}, within {} hours after record {} ended its place",
        act.kind, act.attempts, limits.removal_hours, removal.index
    );
    Some(Alert::of(WAT_08, format!("device {device}"), &act.index, text).with_records([removal.index, act.index]))
}

/// WAT-09.
pub fn opened_before_removal(act: &Act, before: &[Act], limits: &Limits) -> Vec<Alert> {
    let ended = act.ended.iter().filter(|_| act.accepted());
    ended
        .filter_map(|device| {
            let opened: Vec<_> = within(before, act.time, limits.removal_hours.saturating_mul(HOUR))
                .filter_map(|one| one.opened().map(|opening| (one.index, opening)))
                .filter(|(_, (by, ..))| by == device)
                .collect();
            let exhibits: BTreeSet<ExhibitId> = opened.iter().map(|(_, (_, _, exhibit, _))| *exhibit).collect();
            let exports = opened.iter().filter(|(_, (.., how))| *how == Opening::Export).count();
            let person = opened.first().map(|(_, (_, person, ..))| (*person).clone())?;
            (limits.removal_openings > 0 && exhibits.len() >= limits.removal_openings).then(|| {
                let text = format!(
                    "the device of {person} opened {} exhibits, {exports} by export, in the {} hours before record {} ended its place",
                    exhibits.len(),
                    limits.removal_hours,
                    act.index
                );
                let records = opened.iter().rev().map(|(index, _)| *index).chain([act.index]);
                Alert::of(WAT_09, format!("device {device}"), &act.index, text).with_records(records)
            })
        })
        .collect()
}

/// Whether something counted reaches a limit with this act: it was below before.
const fn reaches(before: usize, with: usize, limit: usize) -> bool {
    limit > 0 && before < limit && with >= limit
}

/// WAT-10.
pub fn many_openings(act: &Act, before: &[Act], limits: &Limits) -> Option<Alert> {
    let (device, person, exhibit, _) = act.opened()?;
    let window = limits.window_minutes.saturating_mul(MINUTE);
    let same: Vec<(u64, ExhibitId)> = within(before, act.time, window)
        .filter_map(|one| one.opened().filter(|(by, ..)| *by == device).map(|(_, _, exhibit, _)| (one.index, exhibit)))
        .collect();
    let mut exhibits: BTreeSet<ExhibitId> = same.iter().map(|(_, exhibit)| *exhibit).collect();
    let earlier = exhibits.len();
    exhibits.insert(exhibit);
    reaches(earlier, exhibits.len(), limits.openings).then(|| {
        let text = format!("the device of {person} opened {} exhibits within {} minutes", exhibits.len(), limits.window_minutes);
        let records = same.iter().rev().map(|(index, _)| *index).chain([act.index]);
        Alert::of(WAT_10, format!("device {device}"), &act.index, text).with_records(records)
    })
}

/// WAT-11.
pub fn outside_hours(act: &Act, limits: &Limits) -> Option<Alert> {
    let (device, person, exhibit, _) = act.opened()?;
    let of_office = |hours: &&OfficeHours| hours.office.as_ref() == Some(person.office());
    let hours = limits.hours.iter().find(of_office).or_else(|| limits.hours.iter().find(|hours| hours.office.is_none()))?;
    let (day, minute) = local(act.time, hours);
    let working = (hours.weekends || !matches!(day, 2 | 3)) && (hours.from_minute..hours.to_minute).contains(&minute);
    (!working).then(|| {
        let text = format!("{person} opened it at {} by the log's time, outside the hours declared for {}", act.time, person.office());
        Alert::of(WAT_11, format!("exhibit {exhibit}"), &format!("{device} {}", act.index), text).with_records([act.index])
    })
}

/// The day since the first of 1970 modulo 7 (a Thursday is 0, so that Saturday is 2 and Sunday 3), and the minute of that day, by an office's clocks.
fn local(time: LogTime, hours: &OfficeHours) -> (u64, u16) {
    let minutes = (time.millis() / MINUTE).saturating_add_signed(i64::from(hours.utc_offset_minutes));
    let minute = u16::try_from(minutes % 1440).expect("a day has 1440 minutes");
    (minutes / 1440 % 7, minute)
}

/// WAT-12.
pub fn export_after_grant(act: &Act, before: &[Act], limits: &Limits) -> Option<Alert> {
    let (device, person, exhibit, how) = act.opened()?;
    let window = limits.grant_minutes.saturating_mul(MINUTE);
    let granted = |one: &&Act| {
        let to = one.granted_to.as_ref().map(|(device, _)| *device);
        one.accepted() && one.exhibit == Some(exhibit) && to == Some(device)
    };
    let grant = within(before, act.time, window).find(granted).filter(|_| how == Opening::Export && window > 0)?;
    let (_, granter) = grant.actor.as_ref()?;
    let from = if granter == person { "another device of the same person".to_owned() } else { granter.to_string() };
    let text = format!("{person} exported it within {} minutes after {from} had granted it", limits.grant_minutes);
    Some(Alert::of(WAT_12, format!("exhibit {exhibit}"), &act.index, text).with_records([grant.index, act.index]))
}

/// WAT-13.
pub fn many_refusals(act: &Act, before: &[Act], limits: &Limits) -> Option<Alert> {
    let (device, person) = act.actor.as_ref().filter(|_| !act.accepted())?;
    let same: Vec<&Act> = within(before, act.time, limits.window_minutes.saturating_mul(MINUTE))
        .filter(|one| !one.accepted() && one.actor.as_ref().is_some_and(|(by, _)| by == device))
        .collect();
    let attempts = |act: &Act| usize::try_from(act.attempts).unwrap_or(usize::MAX);
    let earlier = same.iter().fold(0_usize, |sum, one| sum.saturating_add(attempts(one)));
    let with = earlier.saturating_add(attempts(act));
    reaches(earlier, with, limits.refusals).then(|| {
        let rules: BTreeSet<&str> = same.iter().copied().chain([act]).filter_map(|one| one.refused_by.as_deref()).collect();
        let rules = rules.into_iter().collect::<Vec<_>>().join(", ");
        let text = format!("the device of {person} was refused {with} times within {} minutes, by {rules}", limits.window_minutes);
        let records = same.iter().rev().map(|one| one.index).chain([act.index]);
        Alert::of(WAT_13, format!("device {device}"), &act.index, text).with_records(records)
    })
}

/// WAT-14.
pub fn same_reason(act: &Act, before: &[Act], limits: &Limits) -> Option<Alert> {
    let (_, person, exhibit, _) = act.opened()?;
    let reason = act.reason?;
    let same: Vec<(u64, ExhibitId)> = within(before, act.time, limits.same_reason_days.saturating_mul(DAY))
        .filter(|one| one.reason == Some(reason))
        .filter_map(|one| one.opened().filter(|(_, by, ..)| *by == person).map(|(_, _, exhibit, _)| (one.index, exhibit)))
        .collect();
    let mut exhibits: BTreeSet<ExhibitId> = same.iter().map(|(_, exhibit)| *exhibit).collect();
    let earlier = exhibits.len();
    exhibits.insert(exhibit);
    reaches(earlier, exhibits.len(), limits.same_reason).then(|| {
        let text =
            format!("the same reason, word for word, was given for {} exhibits within {} days", exhibits.len(), limits.same_reason_days);
        let records = same.iter().rev().map(|(index, _)| *index).chain([act.index]);
        Alert::of(WAT_14, format!("openings by {person}"), &act.index, text).with_records(records)
    })
}

/// WAT-15.
pub fn two_devices(act: &Act, before: &[Act], limits: &Limits) -> Option<Alert> {
    let (device, person, ..) = act.opened()?;
    let window = limits.two_devices_minutes.saturating_mul(MINUTE);
    let of_person = |one: &Act| one.opened().filter(|(_, by, ..)| *by == person).map(|(by, ..)| (one.index, by));
    let mut earlier = within(before, act.time, window).filter_map(of_person);
    // Told once, with the act by which the devices change; not again while they go on by turns.
    let (index, other) = earlier.next().filter(|(_, other)| *other != device && window > 0)?;
    let again: BTreeSet<DeviceId> = earlier.map(|(_, by)| by).collect();
    (!again.contains(&device)).then(|| {
        let text = format!("the devices {other} and {device} opened exhibits within {} minutes", limits.two_devices_minutes);
        Alert::of(WAT_15, subject_of(person), &act.index, text).with_records([index, act.index])
    })
}

fn subject_of(person: &PersonId) -> String {
    format!("devices of {person}")
}

/// WAT-16.
pub fn purpose_does_not_fit(act: &Act) -> Option<Alert> {
    let (device, person, exhibit, _) = act.opened()?;
    let purpose = act.purpose?;
    let stands = if act.to_be_erased && purpose != Purpose::DefenceAccess {
        "its erasure is proposed".to_owned()
    } else {
        let day = act.review.as_ref().filter(|day| is_past(day, act.time) && purpose == Purpose::Investigation)?;
        format!("its review day, {day}, has passed")
    };
    let text = format!("{person} opened it for {} though {stands}", purpose.as_str());
    Some(Alert::of(WAT_16, format!("exhibit {exhibit}"), &format!("{device} {}", act.index), text).with_records([act.index]))
}
