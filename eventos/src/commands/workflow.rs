//! `eventos workflow`: definitions checked and tried, runs started, watched and steered, by the person at the keyboard.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use domain::{Timestamp, WorkflowRunId, Zone};
use operations::{
    workflow_runs::{
        CancelWorkflowRun, GetWorkflowRun, ListWorkflowRuns, PauseWorkflowRun, ResumeWorkflowRun,
        RetryWorkflowRun, RunStatus, SkipWorkflowStep, StartWorkflow, WorkflowRun,
        WorkflowRunDetail,
    },
    workflows::{
        Definition, DisableWorkflow, DryRunWorkflow, EnableWorkflow, ListWorkflows, SaveWorkflow,
    },
};
use serde_json::{Map, Value, json as value};

use super::{
    Organization,
    acting::{Acting, field, json, refused},
    workflow_print::{list, list_runs, plan, steered, switched, timeline, tried},
    workflow_webhook::Webhook,
};
use crate::config::Config;

/// Check, try, store, start and steer workflows.
#[derive(Debug, clap::Args)]
pub(super) struct Workflow {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a definition; needs no server and no database.
    Check {
        /// The YAML file.
        file: PathBuf,
        /// The zone in which times are shown.
        #[arg(long, default_value = "Etc/UTC")]
        zone: Zone,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Store a definition as a new version.
    Save {
        /// The YAML file.
        file: PathBuf,
        #[command(flatten)]
        common: Common,
    },
    /// Show what a workflow would do, without doing it.
    DryRun {
        /// A YAML file, or the name of a stored workflow.
        workflow: String,
        /// A JSON file with what the change that starts it says, such as `{"order_id": "ord_…"}`.
        #[arg(long, value_name = "FILE")]
        event: Option<PathBuf>,
        /// A parameter, as name=value.
        #[arg(long = "param", value_name = "NAME=VALUE")]
        params: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Start a run.
    Run {
        /// The workflow's name.
        workflow: String,
        /// A parameter, as name=value.
        #[arg(long = "param", value_name = "NAME=VALUE")]
        params: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// List workflows, or with --runs their runs.
    Ls {
        /// List runs instead, newest first.
        #[arg(long)]
        runs: bool,
        /// Only runs of this workflow.
        #[arg(long)]
        workflow: Option<String>,
        /// Only runs in this state, such as dead.
        #[arg(long)]
        status: Option<RunStatus>,
        #[command(flatten)]
        common: Common,
    },
    /// Show a run with its timeline.
    Show {
        /// The run, run_….
        run: WorkflowRunId,
        #[command(flatten)]
        common: Common,
    },
    /// Try a run that gave up again.
    Retry {
        /// The run, run_….
        run: WorkflowRunId,
        /// Go back to this step.
        #[arg(long, value_name = "STEP")]
        from: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Leave out the step that failed, and go on.
    Skip {
        /// The run, run_….
        run: WorkflowRunId,
        /// Another step.
        #[arg(long)]
        step: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// End a run for good.
    Cancel(OneRun),
    /// Stop a run for now.
    Pause(OneRun),
    /// Let a paused run go on.
    Resume(OneRun),
    /// Switch a workflow on.
    Enable {
        /// Its name.
        workflow: String,
        /// Another version than the newest.
        #[arg(long)]
        version: Option<i32>,
        #[command(flatten)]
        common: Common,
    },
    /// Switch a workflow off.
    Disable {
        /// Its name.
        workflow: String,
        #[command(flatten)]
        common: Common,
    },
    /// Make the address under which programs outside start a workflow, in place of the one before; it is shown once.
    Webhook(Webhook),
}

#[derive(Debug, clap::Args)]
struct OneRun {
    /// The run, run_….
    run: WorkflowRunId,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Common {
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    organization: Organization,
}

impl Workflow {
    pub(super) async fn run(self, config: &Config) -> Result<ExitCode> {
        if let Command::Check { file, zone, json } = &self.command {
            return check(file, zone, *json);
        }
        let common = self.command.common().clone();
        let acting = Acting::begin(config, &common.organization, "eventos workflow").await?;
        let outcome = match self.command {
            Command::Webhook(webhook) => webhook.act(&acting, &config.url()).await,
            command => command.act(&acting, common.json).await,
        };
        acting.end().await?;
        outcome
    }
}

/// Runs an operation, prints its answer as JSON or through a function, or says how it was refused.
macro_rules! answer {
    ($acting:expr, $as_json:expr, $operation:expr, $print:expr) => {
        match $acting.run($operation).await {
            Ok(answer) if $as_json => json(&answer)?,
            Ok(answer) => $print(&answer),
            Err(error) => return Ok(refused(&error)),
        }
    };
}

impl Command {
    fn common(&self) -> &Common {
        match self {
            Self::Check { .. } => unreachable!("checking needs no organization"),
            Self::Cancel(one) | Self::Pause(one) | Self::Resume(one) => &one.common,
            Self::Save { common, .. }
            | Self::DryRun { common, .. }
            | Self::Run { common, .. }
            | Self::Ls { common, .. }
            | Self::Show { common, .. }
            | Self::Retry { common, .. }
            | Self::Skip { common, .. }
            | Self::Enable { common, .. }
            | Self::Disable { common, .. } => common,
            Self::Webhook(webhook) => &webhook.common,
        }
    }

    async fn act(self, acting: &Acting, as_json: bool) -> Result<ExitCode> {
        match self {
            Self::Check { .. } => unreachable!("checked before the database was opened"),
            Self::Save { file, .. } => {
                let yaml = read(&file)?;
                answer!(
                    acting,
                    as_json,
                    SaveWorkflow { yaml },
                    |saved: &operations::workflows::SavedWorkflow| {
                        let word = if saved.is_new { "Stored" } else { "Unchanged:" };
                        println!(
                            "{word} version {} of {}.",
                            saved.version, saved.workflow.name
                        );
                        plan(&saved.steps, &saved.workflow.next_starts);
                        println!(
                            "\nNext: eventos workflow dry-run {0}\n      eventos workflow enable {0}",
                            saved.workflow.name
                        );
                    }
                );
            }
            Self::DryRun {
                workflow,
                event,
                params,
                ..
            } => {
                return dry_run(acting, as_json, &workflow, event, &params).await;
            }
            Self::Run {
                workflow, params, ..
            } => {
                let params = parsed(&params)?;
                answer!(
                    acting,
                    as_json,
                    StartWorkflow { workflow, params },
                    |started: &operations::workflow_runs::StartedRun| {
                        println!(
                            "{} of {} is {}.",
                            started.run.id, started.run.workflow, started.run.status
                        );
                        println!("\nNext: eventos workflow show {}", started.run.id);
                    }
                );
            }
            Self::Ls {
                runs: false,
                workflow: None,
                status: None,
                ..
            } => {
                answer!(
                    acting,
                    as_json,
                    ListWorkflows {},
                    |all: &operations::workflows::WorkflowList| list(&all.workflows)
                );
            }
            Self::Ls {
                workflow, status, ..
            } => {
                let filter = ListWorkflowRuns {
                    workflow,
                    status,
                    ..ListWorkflowRuns::default()
                };
                answer!(acting, as_json, filter, |page: &domain::Page<
                    WorkflowRun,
                >| list_runs(
                    acting,
                    &page.items
                ));
            }
            Self::Show { run, .. } => {
                answer!(
                    acting,
                    as_json,
                    GetWorkflowRun { run },
                    |detail: &WorkflowRunDetail| timeline(acting, detail)
                );
            }
            other => return other.steer(acting, as_json).await,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// What is done to a run or to a whole workflow.
    async fn steer(self, acting: &Acting, as_json: bool) -> Result<ExitCode> {
        match self {
            Self::Retry { run, from, .. } => {
                answer!(acting, as_json, RetryWorkflowRun { run, from }, steered);
            }
            Self::Skip { run, step, .. } => {
                answer!(acting, as_json, SkipWorkflowStep { run, step }, steered);
            }
            Self::Cancel(one) => {
                answer!(acting, as_json, CancelWorkflowRun { run: one.run }, steered);
            }
            Self::Pause(one) => {
                answer!(acting, as_json, PauseWorkflowRun { run: one.run }, steered);
            }
            Self::Resume(one) => {
                answer!(acting, as_json, ResumeWorkflowRun { run: one.run }, steered);
            }
            Self::Enable {
                workflow, version, ..
            } => {
                answer!(
                    acting,
                    as_json,
                    EnableWorkflow { workflow, version },
                    switched
                );
            }
            Self::Disable { workflow, .. } => {
                answer!(acting, as_json, DisableWorkflow { workflow }, switched);
            }
            _ => unreachable!("everything else is acted on before"),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn read(file: &PathBuf) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// `name=value` pairs; a value that is JSON is taken as such, anything else as a text.
fn parsed(params: &[String]) -> Result<Map<String, Value>> {
    let mut map = Map::new();
    for param in params {
        let Some((name, text)) = param.split_once('=') else {
            bail!("{param:?} is not name=value");
        };
        map.insert(
            name.to_owned(),
            serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        );
    }
    Ok(map)
}

fn check(file: &PathBuf, zone: &Zone, as_json: bool) -> Result<ExitCode> {
    let yaml = read(file)?;
    match Definition::parse(&yaml) {
        Ok(definition) => {
            let next = definition.next_starts(Timestamp::now(), zone, 5);
            if as_json {
                json(
                    &value!({"problems": [], "steps": definition.outline(), "next_starts": next}),
                )?;
            } else {
                println!("{}: {}", definition.name(), definition.title());
                let starts: Vec<String> = definition
                    .triggers()
                    .iter()
                    .map(|trigger| trigger.describe(zone))
                    .collect();
                field(
                    "starts",
                    if starts.is_empty() {
                        "by hand only".to_owned()
                    } else {
                        starts.join("; ")
                    },
                );
                plan(&definition.outline(), &next);
                println!("\nNext: eventos workflow dry-run {}", file.display());
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            if as_json {
                json(&value!({"problems": problems}))?;
            } else {
                for problem in &problems {
                    let line = problem
                        .line
                        .map_or(String::new(), |line| format!(":{line}"));
                    let path = if problem.path.is_empty() {
                        String::new()
                    } else {
                        format!("{}: ", problem.path)
                    };
                    println!("{}{line}: {path}{}", file.display(), problem.message);
                    if !problem.next.is_empty() {
                        println!("    {}", problem.next);
                    }
                }
                println!(
                    "\n{} to correct.",
                    if problems.len() == 1 {
                        "1 mistake".to_owned()
                    } else {
                        format!("{} mistakes", problems.len())
                    }
                );
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn dry_run(
    acting: &Acting,
    as_json: bool,
    workflow: &str,
    event: Option<PathBuf>,
    params: &[String],
) -> Result<ExitCode> {
    let mut command = DryRunWorkflow {
        params: Some(parsed(params)?),
        ..DryRunWorkflow::default()
    };
    let ending = Path::new(workflow).extension();
    let is_file = ending
        .is_some_and(|end| end.eq_ignore_ascii_case("yaml") || end.eq_ignore_ascii_case("yml"));
    if is_file {
        command.yaml = Some(read(&workflow.into())?);
    } else {
        command.workflow = Some(workflow.to_owned());
    }
    if let Some(event) = event {
        let text = read(&event)?;
        command.change = Some(
            serde_json::from_str(&text)
                .with_context(|| format!("{} is no JSON object", event.display()))?,
        );
    }
    let run = match acting.run(command).await {
        Ok(run) => run,
        Err(error) => return Ok(refused(&error)),
    };
    if as_json {
        json(&run)?;
    } else {
        tried(acting, &run);
    }
    Ok(if run.end == "failed" {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
