//! The frame all mails share: the organization's name, its colour, light and dark, and the small print.

use std::{collections::HashMap, sync::LazyLock};

use minijinja::{AutoEscape, Environment, context, value::Value};

use super::{Language, markdown::escaped};

/// What a mail is set in.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    /// Who sends it, as people know them.
    pub organization: &'a str,
    /// The organization's colour, as `#rrggbb`.
    pub accent: Option<&'a str>,
    /// The language of the small print.
    pub language: Language,
    /// Where to unsubscribe, for news.
    pub unsubscribe: Option<&'a str>,
}

/// The colour of buttons where the organization has none: the neutral of the text.
const NEUTRAL: &str = "#1c1917";

impl Frame<'_> {
    fn ground(&self) -> &str {
        self.accent
            .filter(|accent| luminance(accent).is_some())
            .unwrap_or(NEUTRAL)
    }

    /// The colours of a button: its ground, and whichever of white and black can be read on it.
    pub(super) fn button(&self) -> (&str, &'static str) {
        let ground = self.ground();
        // Contrast (WCAG 2.2): white is the better one where the ground is darker than this.
        let dark = luminance(ground).is_none_or(|light| light < 0.179);
        (ground, if dark { "#ffffff" } else { "#000000" })
    }

    fn small_print(&self) -> (String, &'static str) {
        let name = self.organization;
        match (self.language, self.unsubscribe.is_some()) {
            (Language::En, false) => (format!("Sent by {name}."), ""),
            (Language::En, true) => (
                format!("Sent by {name}, because you have had a ticket with us."),
                "Unsubscribe",
            ),
            (Language::De, false) => (format!("Gesendet von {name}."), ""),
            (Language::De, true) => (
                format!("Gesendet von {name}, weil Sie bei uns ein Ticket hatten."),
                "Abbestellen",
            ),
        }
    }
}

/// The relative luminance of `#rrggbb`, 0 to 1; none for anything else.
fn luminance(colour: &str) -> Option<f64> {
    let digits = colour
        .strip_prefix('#')
        .filter(|digits| digits.len() == 6 && digits.is_ascii())?;
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&digits[at..at + 2], 16).ok()?) / 255.0;
        Some(if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        })
    };
    Some(0.2126 * channel(0)? + 0.7152 * channel(2)? + 0.0722 * channel(4)?)
}

const LAYOUT: &str = include_str!("../../templates/layout.mjml");

/// The page with its gaps, made from MJML once.
static PAGE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let parsed = mrml::parse(LAYOUT).expect("the layout is valid MJML");
    // Without its list of fonts: a font from elsewhere tells its host who reads the mail, and when.
    let options = mrml::prelude::render::RenderOptions {
        fonts: HashMap::new(),
        ..Default::default()
    };
    let html = parsed
        .element
        .render(&options)
        .expect("the layout can be rendered");
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment
        .add_template_owned("page", html)
        .expect("the rendered layout is a template");
    environment
});

/// A whole HTML page around a body.
pub(super) fn page(frame: &Frame<'_>, subject: &str, preheader: &str, body: &str) -> String {
    let (small_print, unsubscribe) = frame.small_print();
    let template = PAGE.get_template("page").expect("it was added above");
    let values = context! {
        language => frame.language.as_str(),
        organization => frame.organization,
        accent => frame.ground(),
        subject,
        preheader,
        body => Value::from_safe_string(body.to_owned()),
        small_print,
        unsubscribe => Value::from_safe_string(unsubscribe_link(frame, unsubscribe)),
    };
    template
        .render(values)
        .expect("every gap of the layout is filled")
}

fn unsubscribe_link(frame: &Frame<'_>, label: &str) -> String {
    frame.unsubscribe.map_or_else(String::new, |url| {
        format!(
            "<a class=\"muted\" href=\"{}\" style=\"color:#57534e;text-decoration:underline\">{label}</a>",
            escaped(url)
        )
    })
}

/// Plain text around a body.
pub(super) fn plain(frame: &Frame<'_>, body: &str) -> String {
    let (small_print, unsubscribe) = frame.small_print();
    let way_out = frame
        .unsubscribe
        .map(|url| format!("{unsubscribe}: {url}\n"));
    format!(
        "{body}\n\n-- \n{small_print}\n{}",
        way_out.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(accent: Option<&str>) -> Frame<'_> {
        Frame {
            organization: "A & B",
            accent,
            language: Language::En,
            unsubscribe: None,
        }
    }

    #[test]
    fn text_on_a_button_can_be_read() {
        let contrast = |accent: &str| {
            let frame = frame(Some(accent));
            let (ground, text) = frame.button();
            let (a, b) = (luminance(ground).unwrap(), luminance(text).unwrap());
            (a.max(b) + 0.05) / (a.min(b) + 0.05)
        };
        for accent in [
            "#000000", "#ffffff", "#ffcc00", "#e11d48", "#2563eb", "#16a34a", "#767676", "#888888",
        ] {
            assert!(contrast(accent) >= 4.5, "{accent}: {}", contrast(accent));
        }
        assert_eq!(frame(Some("red; x")).button(), (NEUTRAL, "#ffffff"));
    }

    #[test]
    fn the_frame_escapes_what_it_shows() {
        let html = page(&frame(None), "<s>", "\"p\"", "<p>body</p>");
        assert!(
            html.contains("A &amp; B")
                && html.contains("&lt;s&gt;")
                && html.contains("<p>body</p>")
        );
        assert!(!html.contains("{{"), "{html}");
        let fetches = ["<link", "@import", "<img", "url("];
        assert!(fetches.iter().all(|fetch| !html.contains(fetch)), "{html}");
    }
}
