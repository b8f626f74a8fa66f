//! Long reports in parts: each a document of its own, with a head that says which part of how many it is.

use crate::document::{Block, Row, Text, fact_length};

/// The blocks of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// In reading order. One that goes on from the part before begins with the headings in force.
    pub blocks: Vec<Block>,
    /// How many headings at its beginning are repeated.
    pub repeated: usize,
}

/// Cuts the blocks into parts that are about `most` long ([`Block::length`], repeated headings not counted): the last row or block of a part may
/// reach over. Only lists, facts and tables are cut within, between their rows. There is at least one part, and no row is lost or doubled.
pub fn split(blocks: Vec<Block>, most: usize) -> Vec<Part> {
    let most = most.max(1);
    let mut parts = vec![Part { blocks: Vec::new(), repeated: 0 }];
    let mut room = most;
    let mut in_force: Vec<Block> = Vec::new();
    for block in blocks {
        let level = if let Block::Heading { level, .. } = &block { *level } else { u8::MAX };
        in_force.retain(|above| matches!(above, Block::Heading { level: other, .. } if *other < level));
        let heading = (level < u8::MAX).then(|| block.clone());
        let mut rest = Some(block);
        while let Some(block) = rest.take() {
            if room == 0 {
                parts.push(Part { blocks: in_force.clone(), repeated: in_force.len() });
                room = most;
            }
            let (now, later) = cut(block, room);
            room -= now.length().min(room);
            parts.last_mut().expect("there is a part from the start on").blocks.push(now);
            rest = later;
        }
        in_force.extend(heading);
    }
    parts
}

/// The beginning of a block that fills the room, and what is left. A block that cannot be cut stays whole.
fn cut(mut block: Block, room: usize) -> (Block, Option<Block>) {
    let left = match &mut block {
        // An ordered list would begin anew in the next part, so it stays whole.
        Block::Heading { .. } | Block::Paragraph { .. } | Block::Notice { .. } | Block::List { ordered: true, .. } => None,
        Block::List { points, .. } => tail(points, room, Text::length).map(|points| Block::List { ordered: false, points }),
        Block::Facts { caption, rows } => tail(rows, room, fact_length).map(|rows| Block::Facts { caption: caption.clone(), rows }),
        Block::Table { caption, head, rows } => {
            tail(rows, room, Row::length).map(|rows| Block::Table { caption: caption.clone(), head: head.clone(), rows })
        }
    };
    (block, left)
}

fn tail<T>(rows: &mut Vec<T>, room: usize, length: impl Fn(&T) -> usize) -> Option<Vec<T>> {
    let mut filled = 0;
    let fitting = rows.iter().take_while(|row| (filled < room).then(|| filled += length(row)).is_some()).count();
    (rows.len() > fitting).then(|| rows.split_off(fitting))
}

#[cfg(test)]
mod tests {
    use super::split;
    use crate::document::{Block, Row, Run, Text};

    fn text(text: &str) -> Text {
        Text(vec![Run::Plain(text.to_owned())])
    }

    fn heading(level: u8, says: &str) -> Block {
        Block::Heading { level, text: text(says) }
    }

    fn table(rows: std::ops::Range<usize>) -> Block {
        let rows = rows.map(|n| Row { marked: false, cells: vec![text(&n.to_string())] }).collect();
        Block::Table { caption: text("acts"), head: vec![text("n")], rows }
    }

    #[test]
    fn a_short_report_is_one_part_as_it_is() {
        let blocks = vec![heading(2, "a"), table(0..3)];
        let parts = split(blocks.clone(), 4);
        assert_eq!(parts.len(), 1);
        assert_eq!((&parts[0].blocks, parts[0].repeated), (&blocks, 0));
        assert_eq!(split(Vec::new(), 4).len(), 1);
    }

    #[test]
    fn a_part_that_goes_on_repeats_the_headings_in_force() {
        let blocks =
            vec![heading(2, "gone"), heading(3, "gone too"), heading(2, "exhibit"), heading(3, "custody"), table(0..5), heading(2, "next")];
        let parts = split(blocks, 6);
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[1].blocks, [heading(2, "exhibit"), heading(3, "custody"), table(2..5), heading(2, "next")]);
        assert_eq!(parts[1].repeated, 2);
    }

    #[test]
    fn a_heading_that_begins_a_part_repeats_only_those_above_it() {
        let parts = split(vec![heading(2, "exhibit"), heading(3, "files"), table(0..1), heading(3, "custody"), table(1..2)], 3);
        assert_eq!(parts[1].blocks, [heading(2, "exhibit"), heading(3, "custody"), table(1..2)]);
        assert_eq!(parts[1].repeated, 1);
    }

    #[test]
    fn long_rows_count_for_more() {
        let long = |n: usize| Row { marked: false, cells: vec![text(&n.to_string()), text(&"x".repeat(5000))] };
        let table = Block::Table { caption: text("acts"), head: vec![text("n"), text("why")], rows: (0..20).map(long).collect() };
        let parts = split(vec![table], 110);
        assert_eq!(parts.iter().map(|part| part.blocks[0].length()).collect::<Vec<_>>(), [110, 110]);
    }

    #[test]
    fn no_row_is_lost_or_doubled_and_no_part_is_longer_than_it_may_be() {
        for (acts, most) in [(0, 1), (1, 1), (7, 1), (7, 2), (100, 9), (100, 100), (100, 1000)] {
            let blocks =
                vec![heading(2, "a"), table(0..acts), Block::List { ordered: false, points: vec![text("p"); acts] }, table(acts..2 * acts)];
            let length: usize = blocks.iter().map(Block::length).sum();
            let parts = split(blocks, most);
            let own = |part: &super::Part| part.blocks[part.repeated..].iter().map(Block::length).sum::<usize>();
            assert!(parts.iter().all(|part| own(part) <= most), "{acts} acts, {most} a part");
            assert_eq!(parts.iter().map(own).sum::<usize>(), length);
            let rows: Vec<String> = parts
                .iter()
                .flat_map(|part| &part.blocks)
                .flat_map(|block| if let Block::Table { rows, .. } = block { rows.as_slice() } else { &[] })
                .map(|row| row.cells[0].as_line())
                .collect();
            assert_eq!(rows, (0..2 * acts).map(|n| n.to_string()).collect::<Vec<_>>());
        }
    }
}
