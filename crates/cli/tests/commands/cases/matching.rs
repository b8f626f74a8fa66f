//! Expected lines against real ones: `[..]` is anything, `[NAME]` the same word everywhere, a line `...` any number of lines.

use super::BTreeMap;

/// What names stand for, once they were seen.
pub type Bindings = BTreeMap<String, String>;

enum Part<'a> {
    Text(&'a str),
    Anything,
    Name(&'a str),
}

fn parts(line: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = line;
    while let Some(start) = rest.find('[') {
        let inner = rest[start + 1..].split(']').next().unwrap_or_default();
        let is_name = !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        let length = if inner == ".." || is_name { inner.len() + 2 } else { 0 };
        parts.push(Part::Text(&rest[..start + usize::from(length == 0)]));
        if length > 0 {
            parts.push(if is_name { Part::Name(inner) } else { Part::Anything });
        }
        rest = &rest[start + length.max(1)..];
    }
    parts.push(Part::Text(rest));
    parts
}

/// Whether a line is as expected; a name that is new takes the longest word that fits.
fn fits(parts: &[Part<'_>], line: &str, bindings: &mut Bindings) -> bool {
    let Some((first, rest)) = parts.split_first() else { return line.is_empty() };
    match first {
        Part::Text(text) => line.strip_prefix(text).is_some_and(|line| fits(rest, line, bindings)),
        Part::Anything => line.char_indices().map(|(at, _)| at).chain([line.len()]).any(|at| fits(rest, &line[at..], bindings)),
        Part::Name(name) => {
            if let Some(value) = bindings.get(*name).cloned() {
                return line.strip_prefix(value.as_str()).is_some_and(|line| fits(rest, line, bindings));
            }
            let word = line.find(|character: char| character.is_whitespace() || "\",;()".contains(character)).unwrap_or(line.len());
            (1..=word).rev().filter(|&at| line.is_char_boundary(at)).any(|at| {
                let fits = fits(rest, &line[at..], bindings);
                if fits {
                    bindings.insert((*name).to_owned(), line[..at].to_owned());
                }
                fits
            })
        }
    }
}

/// Compares what was said with what is expected, and says where they part.
pub fn lines(expected: &[String], said: &str, bindings: &mut Bindings) -> Result<(), String> {
    let said: Vec<&str> = said.lines().collect();
    let mut at = 0;
    let mut expected = expected.iter().peekable();
    while let Some(line) = expected.next() {
        if line == "..." {
            let Some(next) = expected.peek() else { return Ok(()) };
            let found = said[at..].iter().position(|said| fits(&parts(next), said, bindings));
            at += found.ok_or_else(|| format!("there is no line {next:?}"))?;
        } else {
            let said = said.get(at).ok_or_else(|| format!("it ends before {line:?}"))?;
            if !fits(&parts(line), said, bindings) {
                return Err(format!("\n  expected {line}\n  said     {said}"));
            }
            at += 1;
        }
    }
    match said.get(at) {
        None => Ok(()),
        Some(line) => Err(format!("nothing more is expected, but it says {line:?}")),
    }
}

/// A line with names for what they stand for.
pub fn named(line: &str, bindings: &Bindings) -> String {
    let mut by_length: Vec<_> = bindings.iter().filter(|(name, value)| value.len() > 3 && !name.contains('_')).collect();
    by_length.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
    by_length.into_iter().fold(line.to_owned(), |line, (name, value)| line.replace(value.as_str(), &format!("[{name}]")))
}

#[test]
fn an_expected_line_fits_what_it_says_and_nothing_else() {
    let mut bindings = Bindings::new();
    let mut line = |expected: &str, said: &str| fits(&parts(expected), said, &mut bindings);
    assert!(line("a [..] c", "a b c") && line("a [..] c", "a  c") && !line("a [..] c", "a b d"));
    assert!(line("[ID] is [ID].", "x7 is x7.") && line("{\"id\":\"[ID]\"}", "{\"id\":\"x7\"}") && !line("[ID]", "x8"));
    assert!(line("[not a name] [1]", "[not a name] [1]") && !line("[not a name]", "anything"));
    let mut all = |expected: &[&str], said: &str| {
        let expected: Vec<String> = expected.iter().map(|&line| line.to_owned()).collect();
        lines(&expected, said, &mut bindings).is_ok()
    };
    assert!(all(&["a", "...", "c"], "a\nb\nb\nc\n") && all(&["..."], "") && all(&["a", "..."], "a\nb"));
    assert!(!all(&["a"], "a\nb") && !all(&["a", "b"], "a") && !all(&["...", "c"], "a\nb") && !all(&[], "a"));
}
