//! Approvals: what waits for a person's decision, and what happens once it is made.
//!
//! Owns `approval`. Operations: `request_approval`, `list_approvals`, `get_approval`, `decide_approval`; deciding and
//! asking are not for models. Changes: `approval.requested`, `approval.decided`, `approval.expired`. Workers call
//! [`expire_due`]. [`policy`] says what needs a person.

mod carry_out;
pub mod changes;
mod decide_approval;
mod expire;
mod get_approval;
mod leave;
mod list_approvals;
mod model;
pub mod policy;
mod request_approval;
mod sql;

pub use decide_approval::{DecideApproval, DecideApprovalError, DecidedApproval, Decision};
pub use expire::expire_due;
pub(crate) use get_approval::of_runs;
pub use get_approval::{GetApproval, find_approval};
pub use leave::leave_to_a_person;
pub use list_approvals::ListApprovals;
pub use model::{Approval, ApprovalStatus};
pub use request_approval::{RequestApproval, RequestApprovalError, RequestedApproval};
