//! What can happen to surveys. Nothing here says who answered, or in which words.

use domain::{Change, EventId, Subject, SurveyResponseId};
use serde::Serialize;

/// Somebody said how an event was, or changed what they had said.
#[derive(Debug, Serialize)]
pub struct SurveyAnswered {
    pub(super) response_id: SurveyResponseId,
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    /// How likely they are to recommend it, 0 to 10.
    pub(super) score: i16,
    pub(super) has_comment: bool,
    /// Whether they had answered before.
    pub(super) is_changed: bool,
}

impl Change for SurveyAnswered {
    const KIND: &'static str = "survey.answered";
    fn subject(&self) -> Subject {
        self.response_id.into()
    }
    fn summary(&self) -> String {
        let again = if self.is_changed { " again" } else { "" };
        format!(
            "Answers the survey about {:?}{again}: {} of 10",
            self.event_title, self.score
        )
    }
}
