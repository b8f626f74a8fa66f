//! Cells in columns, as wide as their widest cell or, for a terminal, no wider together than it is.

use core::fmt::Write as _;

/// What stands between two columns.
const GAP: usize = 2;
/// To how many characters a column is narrowed at most, however narrow the terminal.
const NARROWEST: usize = 8;

/// Into how many characters a line is to fit.
#[derive(Debug, Clone, Copy)]
pub enum Fit {
    /// Whatever the widest cells ask for: for files and other programs.
    Whole,
    /// So many, as far as words stay whole: ids that a reader copies.
    Words(usize),
    /// So many, within words where it must be.
    Characters(usize),
}

/// Prints rows in columns. What does not fit goes on in the lines below; the widest columns are narrowed first.
///
/// Not done: escaping. Whoever prints texts of others makes them harmless before; a cell is one line.
pub fn columns<const N: usize>(rows: &[[String; N]], fit: Fit) -> String {
    let most = |measure: &dyn Fn(&str) -> usize| -> [usize; N] {
        core::array::from_fn(|column| rows.iter().map(|row| measure(&row[column])).max().unwrap_or_default())
    };
    let mut widths = most(&length);
    if let Fit::Words(width) | Fit::Characters(width) = fit {
        let room = width.saturating_sub(GAP * N.saturating_sub(1));
        narrow(&mut widths, &most(&|cell| cell.split(' ').map(length).max().unwrap_or_default()), room);
        if matches!(fit, Fit::Characters(_)) {
            narrow(&mut widths, &[NARROWEST; N], room);
        }
    }
    let mut table = String::new();
    for row in rows {
        let cells: [Vec<String>; N] = core::array::from_fn(|column| wrapped(&row[column], widths[column]));
        let lines = cells.iter().map(Vec::len).max().unwrap_or_default();
        for number in 0..lines {
            let mut line = String::new();
            for (cell, width) in cells.iter().zip(widths) {
                let part = cell.get(number).map_or("", String::as_str);
                let _ = write!(line, "{part:width$}{:GAP$}", "");
            }
            let _ = writeln!(table, "{}", line.trim_end());
        }
    }
    table
}

fn length(cell: &str) -> usize {
    cell.chars().count()
}

/// Takes one character after the other from the widest column that has more than its floor, until all fit or none can give more.
fn narrow<const N: usize>(widths: &mut [usize; N], floors: &[usize; N], room: usize) {
    while widths.iter().sum::<usize>() > room {
        match widths.iter_mut().zip(floors).filter(|(width, floor)| **width > **floor).max_by_key(|(width, _)| **width) {
            Some((widest, _)) => *widest -= 1,
            None => return,
        }
    }
}

/// Breaks a text into lines of at most `width` characters, between words where it can.
pub fn wrapped(cell: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest: Vec<char> = cell.chars().collect();
    while rest.len() > width.max(1) {
        let space = rest[..=width.max(1)].iter().rposition(|c| *c == ' ').filter(|at| *at > 0);
        let tail = rest.split_off(space.unwrap_or(width.max(1)));
        lines.push(rest.iter().collect());
        rest = tail.into_iter().skip(usize::from(space.is_some())).collect();
    }
    lines.push(rest.iter().collect());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<[String; 3]> {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        vec![row(["INDEX", "BY", "REASON"]), row(["17", "Ana Pop (ro-diicot/ana.pop)", "Reading the chats of August and of September"])]
    }

    #[test]
    fn without_a_width_each_row_is_one_line() {
        let table = columns(&rows(), Fit::Whole);
        assert_eq!(table.lines().count(), 2);
        assert!(table.ends_with("17     Ana Pop (ro-diicot/ana.pop)  Reading the chats of August and of September\n"), "{table}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_nothing_is_left_out() {
        for width in [30, 40, 57, 80, 200] {
            let table = columns(&rows(), Fit::Characters(width));
            assert!(table.lines().all(|line| line.chars().count() <= width), "{width}\n{table}");
            let letters = |text: &str| {
                let mut letters: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
                letters.sort_unstable();
                letters
            };
            assert_eq!(letters(&table), letters(&rows().concat().concat()), "{width}\n{table}");
        }
        let table = columns(&rows(), Fit::Words(40));
        for whole in ["(ro-diicot/ana.pop)", "September", "Reading"] {
            assert!(table.contains(whole), "{table}");
        }
    }

    #[test]
    fn a_terminal_that_is_too_narrow_gets_narrow_columns_rather_than_none() {
        let table = columns(&rows(), Fit::Characters(3));
        assert!(table.lines().all(|line| line.chars().count() <= 3 * NARROWEST + 2 * GAP), "{table}");
        assert!(columns::<2>(&[], Fit::Words(3)).is_empty());
    }
}
