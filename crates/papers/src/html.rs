//! A report as one HTML page: no script, nothing loaded from elsewhere, readable by screen readers and on paper (WCAG 2.1 AA, EN 301 549).
//!
//! Every text goes through `escape`. The page's own policy (CSP) lets nothing run or load but the one style sheet, by its digest.

use core::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use custodia_core::digest::Sha256Digest;

use crate::document::{Block, Document, Row, Run, Text, Tone};

const STYLE: &str = include_str!("report.css");

/// Renders the page.
pub fn render(document: &Document) -> String {
    let digest = STANDARD.encode(Sha256Digest::of(&[STYLE.as_bytes()]).as_bytes());
    let title = plain(&document.title);
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#content\">{}</a>\n<header>\n<h1>",
        document.language.code(),
        escape(&document.skip),
    );
    inline(&mut html, &document.title);
    html.push_str("</h1>\n</header>\n");
    contents(&mut html, document);
    html.push_str("<main id=\"content\" tabindex=\"-1\">\n");
    for block in &document.blocks {
        render_block(&mut html, block);
    }
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

/// The headings of level 2 as links.
fn contents(html: &mut String, document: &Document) {
    let label = escape(&document.contents);
    let _ = write!(html, "<nav aria-label=\"{label}\">\n<p class=\"label\">{label}</p>\n<ol>\n");
    for block in &document.blocks {
        if let Block::Heading { level: 2, id, text } = block {
            let _ = write!(html, "<li><a href=\"#{}\">", escape(id));
            inline(html, text);
            html.push_str("</a></li>\n");
        }
    }
    html.push_str("</ol>\n</nav>\n");
}

fn render_block(html: &mut String, block: &Block) {
    match block {
        Block::Heading { level, id, text } => {
            let level = (*level).clamp(2, 6);
            let _ = write!(html, "<h{level} id=\"{}\">", escape(id));
            inline(html, text);
            let _ = writeln!(html, "</h{level}>");
        }
        Block::Paragraph { text } => element(html, "p", "", text),
        Block::Notice { tone, text } => {
            let class = match tone {
                Tone::Note => " class=\"notice\"",
                Tone::Good => " class=\"notice good\"",
                Tone::Open => " class=\"notice open\"",
                Tone::Bad => " class=\"notice bad\"",
            };
            element(html, "p", class, text);
        }
        Block::List { ordered, points } => {
            let name = if *ordered { "ol" } else { "ul" };
            let _ = writeln!(html, "<{name}>");
            for point in points {
                element(html, "li", "", point);
            }
            let _ = writeln!(html, "</{name}>");
        }
        Block::Facts { caption, rows } => {
            table(html, "facts", caption);
            html.push_str("<tbody>\n");
            for (name, value) in rows {
                html.push_str("<tr>");
                element(html, "th", " scope=\"row\"", name);
                element(html, "td", "", value);
                html.push_str("</tr>\n");
            }
            html.push_str("</tbody>\n</table>\n</div>\n");
        }
        Block::Table { caption, head, rows } => {
            table(html, "list", caption);
            html.push_str("<thead>\n<tr>");
            for cell in head {
                element(html, "th", " scope=\"col\"", cell);
            }
            html.push_str("</tr>\n</thead>\n<tbody>\n");
            for row in rows {
                render_row(html, row);
            }
            html.push_str("</tbody>\n</table>\n</div>\n");
        }
    }
}

/// A table may be wider than a narrow screen: it scrolls by itself, and takes the keyboard's focus for that.
fn table(html: &mut String, class: &str, caption: &Text) {
    let _ =
        write!(html, "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"{}\">\n<table class=\"{class}\">\n", plain(caption));
    element(html, "caption", "", caption);
}

fn render_row(html: &mut String, row: &Row) {
    html.push_str(if row.marked { "<tr class=\"marked\">" } else { "<tr>" });
    for (place, cell) in row.cells.iter().enumerate() {
        if place == 0 { element(html, "th", " scope=\"row\"", cell) } else { element(html, "td", "", cell) }
    }
    html.push_str("</tr>\n");
}

fn element(html: &mut String, name: &str, attributes: &str, text: &Text) {
    let _ = write!(html, "<{name}{attributes}>");
    inline(html, text);
    let _ = writeln!(html, "</{name}>");
}

fn inline(html: &mut String, text: &Text) {
    for run in &text.0 {
        let _ = match run {
            Run::Plain(text) => write!(html, "{}", escape(text)),
            Run::Strong(text) => write!(html, "<strong>{}</strong>", escape(text)),
            Run::Quoted(text) => write!(html, "<bdi class=\"quoted\">{}</bdi>", escape(text)),
            Run::Code(text) => write!(html, "<code>{}</code>", escape(text)),
            Run::English(text) => write!(html, "<span lang=\"en\">{}</span>", escape(text)),
            Run::Break => write!(html, "<br>"),
        };
    }
}

/// The text alone, escaped, for a title or an attribute.
fn plain(text: &Text) -> String {
    let runs = text.0.iter().map(|run| match run {
        Run::Plain(text) | Run::Strong(text) | Run::Quoted(text) | Run::Code(text) | Run::English(text) => text.as_str(),
        Run::Break => " ",
    });
    escape(&runs.collect::<String>())
}

#[cfg(test)]
pub(crate) fn escaped(text: &str) -> String {
    escape(text)
}

/// Makes any text harmless between tags and within double quotes; characters that would hide or reorder others are written out, should any be left.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}') => {
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}
