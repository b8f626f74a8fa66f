//! Rules about what has ended: certificates of members, days of review.

use super::{WAT_06, WAT_07};
use crate::custody::facts::ExhibitState;
use crate::custody::world::World;
use crate::exhibit::text::CalendarDate;
use crate::identity::{AsOf, CertificateId, Registry, Standing};
use crate::time::LogTime;
use crate::watch::Alert;

/// WAT-06: leaves of cases none of whose certificates is in good standing.
pub fn ended_members(registry: &Registry, world: &World, now: LogTime) -> Vec<Alert> {
    let Some(head) = registry.head() else { return Vec::new() };
    let at = AsOf { seq: head.seq, time: now.max(head.time) };
    let mut alerts = Vec::new();
    for (case, known) in world.cases() {
        for (device, member) in &known.members {
            if registry.current(*device, at).is_some() {
                continue;
            }
            let Some(newest) = registry.certificates_of(*device).last() else { continue };
            let id: CertificateId = newest.id();
            let why = match registry.standing(id, at) {
                Standing::Revoked(_) => "its office revoked it",
                Standing::OfficeRemoved => "its office left the trust list",
                Standing::RootNotInForce => "its office's root ended",
                Standing::RoleWithdrawn => "its office may no longer certify its role",
                Standing::NotYetValid => "its certificate is not valid yet",
                Standing::Good | Standing::Unknown | Standing::Expired => "its certificate expired",
            };
            let left = if member.membership.left { "; it has left, and waits for the next commit" } else { "" };
            let text = format!("the device {device} of {} is a leaf though {why}{left}", newest.person());
            alerts.push(Alert::of(WAT_06, format!("case {case}"), &format!("{device} {id}"), text));
        }
    }
    alerts
}

/// WAT-07: cases and exhibits whose review day has passed; what is erased is kept no more, and a case is kept as long as it has an exhibit.
pub fn overdue_reviews(world: &World, now: LogTime) -> Vec<Alert> {
    let passed = |day: &str| is_past(day, now);
    let kept = |state: ExhibitState| state != ExhibitState::Erased;
    let cases = world
        .cases()
        .filter(|(id, case)| passed(&case.review) && world.exhibits().any(|(_, exhibit)| exhibit.case == *id && kept(exhibit.state)));
    let cases = cases.map(|(id, case)| (format!("case {id}"), case.review.clone()));
    let exhibits = world.exhibits().filter(|(_, exhibit)| kept(exhibit.state) && passed(&exhibit.review));
    let exhibits = exhibits.map(|(id, exhibit)| (format!("exhibit {id}"), exhibit.review.clone()));
    cases
        .chain(exhibits)
        .map(|(subject, day)| {
            let text = format!("keeping it was to be reviewed by {day}");
            Alert::of(WAT_07, subject, &day, text)
        })
        .collect()
}

/// Whether a day has ended in UTC.
pub(super) fn is_past(day: &str, now: LogTime) -> bool {
    let today: String = now.to_string().chars().take(10).collect();
    match (CalendarDate::parse(day), CalendarDate::parse(&today)) {
        (Ok(day), Ok(today)) => day < today,
        _ => false,
    }
}
