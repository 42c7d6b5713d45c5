//! Markdown as mails need it: HTML with its styles beside each element, and plain text that reads well.

use std::fmt::Write as _;

use pulldown_cmark::{Alignment, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::layout::Frame;

/// Marks around the number of a gap: private characters that no text has (see [`without_marks`]).
const OPEN: char = '\u{e000}';
const CLOSE: char = '\u{e001}';

/// The mark of a gap.
pub(super) fn gap(number: usize) -> String {
    format!("{OPEN}{number}{CLOSE}")
}

/// Text that cannot be taken for a mark.
pub(super) fn without_marks(text: &str) -> String {
    text.replace([OPEN, CLOSE], "")
}

/// Text with its marks replaced.
pub(super) fn filled(marked: &str, filling: &[String]) -> String {
    let mut text = String::new();
    let mut rest = marked;
    while let Some((before, after)) = rest.split_once(OPEN) {
        text.push_str(before);
        let (number, after) = after.split_once(CLOSE).unwrap_or((after, ""));
        let value = number
            .parse()
            .ok()
            .and_then(|number: usize| filling.get(number));
        text.push_str(value.map_or("", String::as_str));
        rest = after;
    }
    text + rest
}

/// Where the links of a template lead, gaps as they are written.
pub(super) fn links(body: &str) -> Vec<String> {
    // A gap in a link holds spaces, which Markdown does not take there.
    let closed = body.replace("{{ ", "{{").replace(" }}", "}}");
    let target = |event: Event<'_>| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.into_string())
        }
        _ => None,
    };
    Parser::new_ext(&closed, Options::ENABLE_TABLES)
        .filter_map(target)
        .collect()
}

fn parsed(marked: &str) -> Vec<Event<'_>> {
    let events = Parser::new_ext(marked, Options::ENABLE_TABLES);
    let as_text = |event| match event {
        // Markup is shown, not obeyed.
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        other => other,
    };
    events.map(as_text).collect()
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// A link's target, if it is one that may be followed from a mail.
fn target(url: &str, filling: &[String]) -> Option<String> {
    let url = filled(url, filling).trim().to_owned();
    let lower = url.to_lowercase();
    let allowed = ["https://", "http://", "mailto:"]
        .iter()
        .any(|start| lower.starts_with(start));
    (allowed && !url.contains(char::is_whitespace)).then_some(url)
}

/// A paragraph that is one link and nothing else: its label and target.
fn only_link<'a>(events: &[Event<'a>]) -> Option<(Vec<Event<'a>>, CowStr<'a>)> {
    let [
        Event::Start(Tag::Link { dest_url, .. }),
        label @ ..,
        Event::End(TagEnd::Link),
    ] = events
    else {
        return None;
    };
    let several = label
        .iter()
        .any(|event| matches!(event, Event::End(TagEnd::Link)));
    (!several).then(|| (label.to_vec(), dest_url.clone()))
}

/// The end of the paragraph that begins before `from`.
fn paragraph_end(events: &[Event<'_>], from: usize) -> usize {
    let is_end = |event: &Event<'_>| matches!(event, Event::End(TagEnd::Paragraph));
    events[from..]
        .iter()
        .position(is_end)
        .map_or(events.len(), |length| from + length)
}

struct Html<'a> {
    out: String,
    filling: &'a [String],
    frame: &'a Frame<'a>,
    /// Whether the links that are open could be followed.
    open_links: Vec<bool>,
    alignments: Vec<Alignment>,
    column: usize,
    in_head: bool,
}

/// The body of a mail as HTML.
pub(super) fn html(marked: &str, filling: &[String], frame: &Frame<'_>) -> String {
    let mut html = Html {
        out: String::new(),
        filling,
        frame,
        open_links: Vec::new(),
        alignments: Vec::new(),
        column: 0,
        in_head: false,
    };
    html.all(&parsed(marked));
    html.out
}

impl Html<'_> {
    fn all(&mut self, events: &[Event<'_>]) {
        let mut index = 0;
        while let Some(event) = events.get(index) {
            index += 1;
            if matches!(event, Event::Start(Tag::Paragraph)) {
                let end = paragraph_end(events, index);
                if self.button(&events[index..end]) {
                    index = end + 1;
                    continue;
                }
            }
            self.one(event);
        }
    }

    /// Writes a paragraph that is one link as a button; returns whether it was one.
    fn button(&mut self, paragraph: &[Event<'_>]) -> bool {
        let Some((label, url)) = only_link(paragraph) else {
            return false;
        };
        let Some(url) = target(&url, self.filling) else {
            return false;
        };
        let (ground, text) = self.frame.button();
        write!(
            self.out,
            "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" style=\"margin:24px 0\"><tr>\
             <td class=\"button\" bgcolor=\"{ground}\" style=\"background-color:{ground};border-radius:6px;mso-padding-alt:14px 24px\">\
             <a href=\"{}\" style=\"display:inline-block;padding:14px 24px;border-radius:6px;background-color:{ground};\
             color:{text};font-weight:600;line-height:20px;text-decoration:none\">",
            escaped(&url)
        )
        .expect("a string takes everything");
        self.all(&label);
        self.out.push_str("</a></td></tr></table>\n");
        true
    }

    fn one(&mut self, event: &Event<'_>) {
        match event {
            Event::Text(text) => self.text(text),
            Event::Code(text) => {
                self.out.push_str("<strong style=\"letter-spacing:1px\">");
                self.text(text);
                self.out.push_str("</strong>");
            }
            Event::SoftBreak => self.out.push('\n'),
            Event::HardBreak => self.out.push_str("<br/>"),
            Event::Rule => self.out.push_str(
                "<hr class=\"line\" style=\"border:0;border-top:1px solid #e7e5e4;margin:24px 0\"/>\n",
            ),
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(*tag),
            _ => {}
        }
    }

    fn text(&mut self, marked: &str) {
        let text = escaped(&filled(marked, self.filling));
        self.out.push_str(&text.replace('\n', "<br/>"));
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Paragraph => self.out.push_str("<p style=\"margin:0 0 16px\">"),
            Tag::Heading { level: HeadingLevel::H1, .. } => self.out.push_str(
                "<h1 style=\"margin:0 0 16px;font-size:22px;line-height:28px;font-weight:700\">",
            ),
            Tag::Heading { .. } => self.out.push_str(
                "<h2 style=\"margin:24px 0 8px;font-size:16px;line-height:24px;font-weight:700\">",
            ),
            Tag::BlockQuote(_) => self.out.push_str(
                "<blockquote class=\"line\" style=\"margin:0 0 16px;padding:0 0 0 16px;border-left:3px solid #e7e5e4\">",
            ),
            Tag::List(None) => self.out.push_str("<ul style=\"margin:0 0 16px;padding:0 0 0 20px\">"),
            Tag::List(Some(_)) => self.out.push_str("<ol style=\"margin:0 0 16px;padding:0 0 0 20px\">"),
            Tag::Item => self.out.push_str("<li style=\"margin:0 0 4px\">"),
            Tag::Emphasis => self.out.push_str("<em>"),
            Tag::Strong => self.out.push_str("<strong>"),
            Tag::Link { dest_url, .. } => {
                let target = target(dest_url, self.filling);
                self.open_links.push(target.is_some());
                if let Some(target) = target {
                    write!(
                        self.out,
                        "<a class=\"link\" href=\"{}\" style=\"color:inherit;text-decoration:underline\">",
                        escaped(&target)
                    )
                    .expect("a string takes everything");
                }
            }
            Tag::Table(alignments) => {
                self.alignments.clone_from(alignments);
                self.out.push_str(
                    "<table cellpadding=\"0\" cellspacing=\"0\" border=\"0\" width=\"100%\" \
                     style=\"margin:0 0 16px;border-collapse:collapse;font-variant-numeric:tabular-nums\">",
                );
            }
            Tag::TableHead => {
                self.in_head = true;
                self.column = 0;
                self.out.push_str("<tr>");
            }
            Tag::TableRow => {
                self.column = 0;
                self.out.push_str("<tr>");
            }
            Tag::TableCell => self.cell(),
            _ => {}
        }
    }

    fn cell(&mut self) {
        let (name, weight) = if self.in_head {
            ("th", "600")
        } else {
            ("td", "400")
        };
        let align = match self.alignments.get(self.column) {
            Some(Alignment::Right) => "right",
            Some(Alignment::Center) => "center",
            _ => "left",
        };
        let before = if self.column == 0 { 0 } else { 16 };
        // Figures and heads are short and stay whole; what they take goes from the texts beside them.
        let wrap = if self.in_head || align == "right" {
            ";white-space:nowrap"
        } else {
            ""
        };
        write!(
            self.out,
            "<{name} class=\"line\" align=\"{align}\" valign=\"top\" style=\"padding:8px 0 8px {before}px;\
             border-bottom:1px solid #e7e5e4;font-weight:{weight};text-align:{align}{wrap}\">"
        )
        .expect("a string takes everything");
    }

    fn end(&mut self, tag: TagEnd) {
        let text = match tag {
            TagEnd::Paragraph => "</p>\n",
            TagEnd::Heading(HeadingLevel::H1) => "</h1>\n",
            TagEnd::Heading(_) => "</h2>\n",
            TagEnd::BlockQuote(_) => "</blockquote>\n",
            TagEnd::List(false) => "</ul>\n",
            TagEnd::List(true) => "</ol>\n",
            TagEnd::Item => "</li>\n",
            TagEnd::Emphasis => "</em>",
            TagEnd::Strong => "</strong>",
            TagEnd::Link if self.open_links.pop() == Some(true) => "</a>",
            TagEnd::Table => "</table>\n",
            TagEnd::TableHead => {
                self.in_head = false;
                "</tr>\n"
            }
            TagEnd::TableRow => "</tr>\n",
            TagEnd::TableCell => {
                self.column += 1;
                if self.in_head { "</th>" } else { "</td>" }
            }
            _ => "",
        };
        self.out.push_str(text);
    }
}

/// The body of a mail as plain text.
pub(super) fn text(marked: &str, filling: &[String]) -> String {
    let mut writer = Text {
        out: String::new(),
        filling,
        links: Vec::new(),
        lists: Vec::new(),
    };
    let events = parsed(marked);
    let mut index = 0;
    while let Some(event) = events.get(index) {
        index += 1;
        if matches!(event, Event::Start(Tag::Paragraph)) {
            let end = paragraph_end(&events, index);
            if let Some((label, url)) = only_link(&events[index..end])
                && let Some(url) = target(&url, filling)
            {
                for event in &label {
                    writer.one(event);
                }
                write!(writer.out, ":\n{url}\n\n").expect("a string takes everything");
                index = end + 1;
                continue;
            }
        }
        writer.one(event);
    }
    tidied(&writer.out)
}

/// At most one empty line in a row, and no spaces at the ends of lines.
fn tidied(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.trim().lines().map(str::trim_end) {
        if !line.is_empty() || lines.last().is_some_and(|last| !last.is_empty()) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

struct Text<'a> {
    out: String,
    filling: &'a [String],
    links: Vec<Option<String>>,
    /// The next number of each list that is open, or none for bullets.
    lists: Vec<Option<u64>>,
}

impl Text<'_> {
    fn one(&mut self, event: &Event<'_>) {
        match event {
            Event::Text(text) | Event::Code(text) => self.out += &filled(text, self.filling),
            Event::SoftBreak | Event::HardBreak if self.lists.is_empty() => self.out.push('\n'),
            Event::SoftBreak | Event::HardBreak => self.out.push_str("\n  "),
            Event::Rule => self.out.push_str("\n---\n\n"),
            Event::Start(Tag::List(first)) => self.lists.push(*first),
            Event::Start(Tag::Item) => match self.lists.last_mut() {
                Some(Some(number)) => {
                    write!(self.out, "{number}. ").expect("a string takes everything");
                    *number += 1;
                }
                _ => self.out.push_str("- "),
            },
            Event::Start(Tag::Link { dest_url, .. }) => {
                self.links.push(target(dest_url, self.filling));
            }
            Event::End(TagEnd::Link) => {
                if let Some(Some(url)) = self.links.pop()
                    && !self.out.ends_with(&url)
                {
                    write!(self.out, " ({url})").expect("a string takes everything");
                }
            }
            Event::End(TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::BlockQuote(_)) => {
                self.out.push_str("\n\n");
            }
            Event::End(TagEnd::Item) => {
                self.out.truncate(self.out.trim_end().len());
                self.out.push('\n');
            }
            Event::End(TagEnd::List(_)) => {
                self.lists.pop();
                self.out.push('\n');
            }
            Event::End(TagEnd::TableCell) => self.out.push_str("  "),
            Event::End(TagEnd::TableHead | TagEnd::TableRow | TagEnd::Table) => self.out.push('\n'),
            _ => {}
        }
    }
}
