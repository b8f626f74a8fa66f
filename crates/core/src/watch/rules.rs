//! The rules of watching. `docs/RULES.md` lists each with its test.

pub mod acts;
pub mod heads;
pub mod standing;

#[cfg(test)]
mod tests;

/// A rule of watching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its id, as in `docs/RULES.md`.
    pub id: &'static str,
    /// Whether what it tells of does not hold, as against a pattern that a person may explain.
    pub fails: bool,
    /// What it tells of, what that shows and what not.
    pub says: &'static str,
}

macro_rules! rules {
    ($($name:ident $id:literal $fails:literal $says:literal)*) => {
        $(#[doc = $says] pub const $name: Rule = Rule { id: $id, fails: $fails, says: $says };)*
        /// All rules of watching, in order.
        pub const ALL: &[Rule] = &[$($name),*];
    };
}

rules! {
    WAT_01 "WAT-01" true "Two checkpoints that the log signed cannot both be: it was forked. Both signatures prove it to anybody; which of the two is true they do not show."
    WAT_02 "WAT-02" true "The log shows fewer records than it has signed: it was rolled back. The larger signed checkpoint proves it to anybody; what the missing records said it does not show."
    WAT_03 "WAT-03" true "Others show a newer checkpoint than the log does, or none was vouched for in the time demanded though the log has records behind the last: what is shown may be frozen. A broken network looks the same."
    WAT_04 "WAT-04" true "Records have waited for a time stamp longer than demanded: until one comes their times are the log's word alone. Whether stamps that are there are genuine is not judged here."
    WAT_05 "WAT-05" true "A witness has not cosigned for longer than demanded though there were records to cosign. Whether it is down, cannot be reached, or refuses is not shown."
    WAT_06 "WAT-06" true "A device is a leaf of a case though none of its certificates is in good standing. It can open nothing; that nobody renewed or removed it is what this shows."
    WAT_07 "WAT-07" true "The day by which keeping a case or an exhibit is reviewed has passed. Whether somebody reviewed it and left the day as it was is not shown."
    WAT_08 "WAT-08" false "A device tried to act in the hours after it was removed or revoked, or left. The refusals show that it was stopped; a program that tries again by itself looks the same."
    WAT_09 "WAT-09" false "A device opened several exhibits in the hours before it was removed or revoked, or left. It shows what is out of reach of the removal, and not why."
    WAT_10 "WAT-10" false "One device opened many exhibits within the window. A preparation for trial looks the same."
    WAT_11 "WAT-11" false "An exhibit was opened outside the hours that the office declared. The time is the log's; duty rosters and summer time are not known."
    WAT_12 "WAT-12" false "A device exported an exhibit soon after it was granted it, by another person or by another device of the same person. That it was granted for this is likely and not shown."
    WAT_13 "WAT-13" false "One device was refused again and again within the window. A mistake in a program or a right that was asked for too early looks the same."
    WAT_14 "WAT-14" false "One person gave the same reason, word for word, for many exhibits. It shows that the reason tells them not apart, and not that it is untrue. Only reasons sealed to this auditor are compared."
    WAT_15 "WAT-15" false "Two devices of one person opened exhibits within the window. Where the devices were, and who held them, the log does not show."
    WAT_16 "WAT-16" false "An exhibit was opened for a purpose that does not fit how it stands: its erasure is proposed, or it is past its review day and the purpose is investigation. The rules permit it."
}
