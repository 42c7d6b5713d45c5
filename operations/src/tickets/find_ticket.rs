//! `find_ticket`: the ticket of a code.

use domain::{Cx, Permission, Reference, TicketId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{model::Ticket, sql};
use crate::{App, Effect, Operation, codes::CodeLookupError};

/// The ticket of a code, with its holder, its order and whether it admits. The code must be whole; to search by
/// name, list orders or attendees.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FindTicket {
    /// The code on the ticket, with or without hyphens, or the ticket's id.
    pub query: Reference<TicketId>,
}

impl Operation for FindTicket {
    const NAME: &'static str = "find_ticket";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::AttendeesRead;
    type Output = Ticket;
    type Error = CodeLookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Ticket, CodeLookupError> {
        let mut tx = app.store().read(cx).await?;
        Ok(sql::resolve(tx.conn(), &self.query, "query")
            .await?
            .seen(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        permission::Role,
        testing::{Scene, assert_refused},
        tickets::{TicketCode, TicketStatus},
    };

    fn finding(query: &str) -> FindTicket {
        FindTicket {
            query: query.parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn finds_by_code_however_it_is_typed() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 5).await;
        let order = scene.order(event.id, 1).await;
        let ticket = &order.tickets[0];
        let code = &ticket.code;
        for query in [
            code.clone(),
            code.to_lowercase(),
            code.replace('-', " "),
            ticket.id.to_string(),
        ] {
            let found = scene.run(finding(&query)).await.unwrap();
            assert_eq!(found.order_number, order.order.number, "{query}");
            assert_eq!(
                (found.status, found.is_checked_in),
                (TicketStatus::Valid, false)
            );
        }
        let masked = scene
            .app
            .run(&scene.as_role(Role::Viewer), finding(code))
            .await
            .unwrap();
        assert_eq!(masked.code, format!("…{}", &code[17..]));
    }

    #[tokio::test]
    async fn refuses_codes_that_are_misread_unknown_or_another_organizations() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(0, 5).await;
        let code = scene.order(event.id, 1).await.tickets[0].code.clone();
        assert_refused(scene.app.run(&other, finding(&code)).await, "not_found");
        let unknown = TicketCode::generate(&scene.cx).to_string();
        assert_refused(scene.run(finding(&unknown)).await, "not_found");
        assert_refused(scene.run(finding(&code[1..])).await, "code_malformed");
    }
}
