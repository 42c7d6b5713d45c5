//! `remove_member`: a person leaves the team.

use domain::{Cx, EmailAddress, Permission, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    changes::MemberRemoved,
    save_member::{SaveMemberError, refuse_the_last_owner},
    sql,
};
use crate::{App, Effect, Operation, permission::Role};

/// Take a person out of the team. Their tokens go with them, within seconds; what they did stays recorded.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RemoveMember {
    /// Their address.
    pub email: EmailAddress,
}

/// Who left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RemovedMember {
    /// The person.
    pub user_id: UserId,
}

impl Operation for RemoveMember {
    const NAME: &'static str = "remove_member";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::MembersManage;
    type Output = RemovedMember;
    type Error = SaveMemberError;

    async fn run(self, app: &App, cx: &Cx) -> Result<RemovedMember, SaveMemberError> {
        let mut tx = app.store().write(cx).await?;
        sql::lock(tx.conn()).await?;
        let found = sql::member_at(tx.conn(), self.email.as_str()).await?;
        let member = found.ok_or(SaveMemberError::NoMember)?;
        if member.role == Role::Owner {
            refuse_the_last_owner(tx.conn(), &member).await?;
        }
        sql::remove_member(tx.conn(), member.user_id).await?;
        let change = MemberRemoved {
            user_id: member.user_id,
            role: member.role,
        };
        let answer = RemovedMember {
            user_id: member.user_id,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        organizations::{ListMembers, SaveMember},
        testing::{Scene, assert_refused},
        tokens::{Authenticator, CreateToken},
    };
    use domain::Actor;

    #[tokio::test]
    async fn who_left_is_gone_and_so_are_their_tokens() {
        let scene = Scene::new().await;
        let email: EmailAddress = "ada@example.org".parse().unwrap();
        let joining = SaveMember {
            email: email.clone(),
            new_email: None,
            name: Some("Ada".parse().unwrap()),
            role: Some(Role::Owner),
        };
        let ada = scene.run(joining).await.unwrap();
        let mut theirs = scene.cx.clone();
        theirs.actor = Actor::Member {
            user_id: ada.user_id,
        };
        let token = CreateToken {
            name: "x".to_owned(),
            scopes: vec!["all".to_owned()],
            ..CreateToken::default()
        };
        let secret = scene.app.run(&theirs, token).await.unwrap().secret;
        let works = async || {
            let authenticator = Authenticator::new(scene.app.clone());
            let grant = authenticator.authenticate(&secret, scene.cx.now).await;
            grant.unwrap().is_some()
        };
        assert!(works().await);
        let removing = RemoveMember { email };
        scene.run(removing.clone()).await.unwrap();
        assert!(!works().await);
        assert_eq!(scene.run(ListMembers {}).await.unwrap().members.len(), 1);
        assert_refused(scene.run(removing).await, "member_not_found");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let joining = SaveMember {
            email: "ada@example.org".parse().unwrap(),
            new_email: None,
            name: Some("Ada".parse().unwrap()),
            role: None,
        };
        scene.run(joining).await.unwrap();
        let removing = RemoveMember {
            email: "ada@example.org".parse().unwrap(),
        };
        scene.assert_idempotent(removing).await;
    }
}
