//! What reports have in common: what they were measured on, whether a target was met, and their place in the README.

use anyhow::{Context as _, Result};

use crate::{machine, stats::Spread};

/// When and on what it was measured, and how to read the figures.
pub(crate) fn head(setting: &str, versions: &str, rounds: usize) -> String {
    let date = machine::version("date", &["-u", "+%Y-%m-%d"]);
    let rust = machine::version("rustc", &["--version"]);
    format!(
        "{date}, {setting}. {versions}, {rust}. \
         Medians of {rounds} rounds, with the lowest and the highest round in brackets.\n\n"
    )
}

/// Whether a target was met: said only when all rounds agree.
pub(crate) fn verdict(figure: Spread, is_met: impl Fn(f64) -> bool) -> &'static str {
    match [figure.low, figure.high].map(is_met) {
        [true, true] => "met",
        [false, false] => "missed",
        _ => "open: rounds differ",
    }
}

/// Puts a subject's report between its marks in the README.
pub(crate) fn write(subject: &str, report: &str) -> Result<()> {
    let file = crate::root().join("bench/README.md");
    let text = std::fs::read_to_string(&file)?;
    Ok(std::fs::write(file, placed(&text, subject, report)?)?)
}

fn placed(text: &str, subject: &str, report: &str) -> Result<String> {
    let [begin, end] =
        ["begin", "end"].map(|mark| format!("<!-- figures of {subject}: {mark} -->"));
    let (before, rest) = text.split_once(&begin).context("the README has no mark")?;
    let (_, after) = rest
        .split_once(&end)
        .context("the README has no end mark")?;
    let report = report.trim();
    Ok(format!("{before}{begin}\n\n{report}\n\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decides_only_when_rounds_agree() {
        let said = |rounds: [f64; 3]| verdict(Spread::of(rounds.to_vec()), |it| it < 1.5);
        assert_eq!(said([0.2, 0.3, 0.4]), "met");
        assert_eq!(said([1.6, 1.7, 1.8]), "missed");
        assert_eq!(said([0.2, 0.3, 1.8]), "open: rounds differ");
    }

    #[test]
    fn every_subject_has_its_place_in_the_readme() {
        let readme = std::fs::read_to_string(crate::root().join("bench/README.md")).unwrap();
        for subject in ["mcp", "onsale", "workflows"] {
            let once = placed(&readme, subject, "| 1 |\n").unwrap();
            assert!(once.contains("\n\n| 1 |\n\n"));
            assert_eq!(
                placed(&once, subject, "| 1 |").unwrap(),
                once,
                "what was there is replaced"
            );
        }
        assert!(placed(&readme, "nothing", "").is_err());
    }
}
