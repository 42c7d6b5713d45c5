//! Who there is: each agent's words, tools and limits, from its folder in the roster.

use llm::Effort;
use operations::{Effect, catalog};
use serde::Deserialize;

/// All agents.
#[derive(Debug, Clone)]
pub struct Roster {
    specs: Vec<Spec>,
}

/// An agent.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name: the folder's.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Who it is and what it keeps to.
    pub prompt: String,
    /// How much it thinks.
    pub effort: Option<Effort>,
    /// The most it writes at once, in tokens.
    pub max_tokens: u32,
    /// How far it goes in a turn.
    pub limits: Limits,
    /// Operations that it looks things up with.
    pub reads: Vec<String>,
    /// Operations that it proposes.
    pub writes: Vec<String>,
}

/// How far an agent goes in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Questions to the model.
    pub model_calls: u32,
    /// Calls of tools.
    pub tool_calls: u32,
    /// The same call with the same arguments.
    pub identical_calls: u32,
    /// What it may cost, in US dollars.
    pub cost_usd: f64,
}

impl Limits {
    /// What a turn may cost, in millionths of a US dollar.
    pub fn cost(&self) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "limits are small")]
        let micro = (self.cost_usd * 1e6).round() as i64;
        micro
    }
}

/// An agent that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    /// Its file cannot be read.
    #[error("agent.toml of {0:?}: {1}")]
    File(String, toml::de::Error),
    /// A tool that is none, or not of that kind.
    #[error("agent.toml of {0:?}: {1:?} is not an operation that {2}")]
    Tool(String, String, &'static str),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: String,
    effort: Option<Effort>,
    max_tokens: u32,
    limits: Limits,
    tools: Tools,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tools {
    #[serde(default)]
    reads: Vec<String>,
    #[serde(default)]
    writes: Vec<String>,
}

const BUILTIN: &[(&str, &str, &str)] = &[(
    "organizer",
    include_str!("../roster/organizer/agent.toml"),
    include_str!("../roster/organizer/prompt.md"),
)];

impl Roster {
    /// The agents that come with the program.
    pub fn builtin() -> Self {
        let specs = BUILTIN
            .iter()
            .map(|(name, file, prompt)| Spec::read(name, file, prompt));
        Self {
            specs: specs.collect::<Result<_, _>>().expect("a test reads them"),
        }
    }

    /// An agent by its name.
    pub fn find(&self, name: &str) -> Option<&Spec> {
        self.specs.iter().find(|spec| spec.name == name)
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.specs.iter().map(|spec| spec.name.as_str())
    }
}

impl Spec {
    fn read(name: &str, file: &str, prompt: &str) -> Result<Self, RosterError> {
        let file: File =
            toml::from_str(file).map_err(|error| RosterError::File(name.to_owned(), error))?;
        let check = |tools: &[String], reads: bool, kind| {
            let wrong = tools.iter().find(|tool| {
                catalog::find(tool).is_none_or(|entry| (entry.effect == Effect::Read) != reads)
            });
            wrong.map_or(Ok(()), |tool| {
                Err(RosterError::Tool(name.to_owned(), tool.clone(), kind))
            })
        };
        check(&file.tools.reads, true, "looks things up")?;
        check(&file.tools.writes, false, "writes")?;
        Ok(Self {
            name: name.to_owned(),
            title: file.title,
            prompt: prompt.trim().to_owned(),
            effort: file.effort,
            max_tokens: file.max_tokens,
            limits: file.limits,
            reads: file.tools.reads,
            writes: file.tools.writes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Permission;
    use operations::Shelf;

    #[test]
    fn everybody_can_be_read_and_nobody_decides_or_reaches_what_no_model_may() {
        let roster = Roster::builtin();
        assert_eq!(roster.names().collect::<Vec<_>>(), ["organizer"]);
        for spec in &roster.specs {
            for tool in spec.reads.iter().chain(&spec.writes) {
                let entry = catalog::find(tool).unwrap();
                assert_ne!(entry.shelf, Shelf::Operators, "{}: {tool}", spec.name);
                assert_ne!(
                    entry.needs,
                    Permission::ApprovalsDecide,
                    "{}: {tool}",
                    spec.name
                );
            }
        }
    }

    #[test]
    fn a_tool_of_the_wrong_kind_is_refused() {
        let file = |tools: &str| {
            format!(
                "title = 'x'\nmax_tokens = 1\n[limits]\nmodel_calls = 1\ntool_calls = 1\nidentical_calls = 1\ncost_usd = 0.1\n[tools]\n{tools}"
            )
        };
        for wrong in [
            "reads = ['create_event']",
            "writes = ['list_events']",
            "writes = ['nothing']",
        ] {
            assert!(
                matches!(
                    Spec::read("x", &file(wrong), ""),
                    Err(RosterError::Tool(..))
                ),
                "{wrong}"
            );
        }
        let spec = Spec::read("x", &file("reads = ['list_events']"), "Hi").unwrap();
        assert_eq!(spec.limits.cost(), 100_000);
    }
}
