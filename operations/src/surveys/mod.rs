//! Surveys: what people say about an event once it is over, through a link that only their mail has.
//!
//! Owns `survey_response`. Like unsubscribing, answering is no operation of the catalog: the right to it is the signed
//! link, [`find_survey`] and [`answer_survey`] take it, and nobody else can answer. What was answered is in
//! [`crate::reports`]. Changes: `survey.answered`.

mod answer;
pub mod changes;
mod invitation;
mod sql;

pub use answer::{Answer, AnswerError, Survey, SurveyError, answer_survey, find_survey};
pub use invitation::Invitation;
