//! `save_member`: a person joins the team, or their details change.

use domain::{Cx, EmailAddress, Facts, Fault, FaultKind, FaultSpec, Name, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{ResultExt as _, StoreError};

use super::{Member, changes::MemberSaved, sql};
use crate::{App, Effect, Operation, permission::Role};

/// Add a person to the team, or change what they are called, where they are reached and what they may do. Mails to the
/// team and links to decide go to these addresses, so only a person at the server changes them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SaveMember {
    /// Their address; a new one adds a member.
    pub email: EmailAddress,
    /// Where they are reached from now on.
    pub new_email: Option<EmailAddress>,
    /// What they are called.
    pub name: Option<Name>,
    /// What they are here; `viewer` for a new member when left out.
    pub role: Option<Role>,
}

impl Operation for SaveMember {
    const NAME: &'static str = "save_member";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::MembersManage;
    type Output = Member;
    type Error = SaveMemberError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Member, SaveMemberError> {
        let known = {
            let mut tx = app.store().system("find a person by address").await?;
            match sql::find_user(tx.conn(), self.email.as_str()).await? {
                Some(user_id) => {
                    let organization_id = cx.organization_id;
                    let elsewhere = sql::belongs_elsewhere(tx.conn(), user_id, organization_id);
                    Some((user_id, elsewhere.await?))
                }
                None => None,
            }
        };
        let mut tx = app.store().write(cx).await?;
        // Whoever changes the team waits here for the others: an owner must be left.
        sql::lock(tx.conn()).await?;
        let Some(before) = sql::member_at(tx.conn(), self.email.as_str()).await? else {
            if self.new_email.is_some() {
                return Err(SaveMemberError::NoMember);
            }
            let user_id = match (known, &self.name) {
                (Some((user_id, _)), _) => user_id,
                (None, None) => return Err(SaveMemberError::NameMissing),
                (None, Some(name)) => {
                    let added =
                        sql::insert_user(tx.conn(), cx, self.email.as_str(), name.as_str()).await;
                    added.on_constraint("users_email_key", || SaveMemberError::EmailTaken)?
                }
            };
            let role = self.role.unwrap_or(Role::Viewer);
            sql::insert_member(tx.conn(), cx, user_id, role).await?;
            let member = sql::member_at(tx.conn(), self.email.as_str()).await?;
            let member = member.ok_or(SaveMemberError::NoMember)?;
            let change = MemberSaved {
                user_id,
                role,
                is_new: true,
                changed: Vec::new(),
            };
            return Ok(tx.commit(change, member).await?);
        };
        let mut after = before.clone();
        after.role = self.role.unwrap_or(before.role);
        if let Some(name) = &self.name {
            after.name = name.to_string();
        }
        if let Some(email) = &self.new_email {
            after.email = email.to_string();
        }
        let changed = [
            ("name", after.name != before.name),
            ("email", after.email != before.email),
            ("role", after.role != before.role),
        ];
        let changed: Vec<_> = changed
            .into_iter()
            .filter(|(_, is)| *is)
            .map(|(field, _)| field)
            .collect();
        if changed.is_empty() {
            return Ok(tx.unchanged(after).await?);
        }
        let is_of_others = known.is_some_and(|(_, elsewhere)| elsewhere);
        if is_of_others && (after.name != before.name || after.email != before.email) {
            return Err(SaveMemberError::BelongsElsewhere);
        }
        if before.role == Role::Owner && after.role != Role::Owner {
            refuse_the_last_owner(tx.conn(), &before).await?;
        }
        let updated = sql::update_member(tx.conn(), &after).await;
        updated.on_constraint("users_email_key", || SaveMemberError::EmailTaken)?;
        let change = MemberSaved {
            user_id: after.user_id,
            role: after.role,
            is_new: false,
            changed,
        };
        Ok(tx.commit(change, after).await?)
    }
}

/// An organization without an owner could no longer be run by anybody.
pub(super) async fn refuse_the_last_owner(
    conn: &mut sqlx::PgConnection,
    member: &Member,
) -> Result<(), SaveMemberError> {
    match sql::other_owners(conn, member.user_id).await? {
        0 => Err(SaveMemberError::LastOwner),
        _ => Ok(()),
    }
}

/// How `save_member` and `remove_member` refuse.
#[derive(Debug, thiserror::Error)]
pub enum SaveMemberError {
    /// Nobody here has the address.
    #[error("nobody in this organization has that address")]
    NoMember,
    /// A new person without a name.
    #[error("nobody with that address is known yet, and no name was given")]
    NameMissing,
    /// Somebody else has the new address.
    #[error("somebody has that address already")]
    EmailTaken,
    /// The person is a member of other organizations too.
    #[error(
        "this person belongs to another organization too, so their name and address are not this one's to change"
    )]
    BelongsElsewhere,
    /// It is the only owner.
    #[error("this is the only owner, and an organization needs one")]
    LastOwner,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const NO_MEMBER: FaultSpec = FaultSpec::new(
    FaultKind::NotFound,
    "member_not_found",
    "Look at list_members for who is here.",
);
const NAME_MISSING: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "name_missing",
    "Give the person's name, or correct the address.",
);
const EMAIL_TAKEN: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "email_taken",
    "Use that person's account, or another address.",
);
const BELONGS_ELSEWHERE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "belongs_elsewhere",
    "Add the other address as a member of its own, then remove this one.",
);
const LAST_OWNER: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "last_owner",
    "Make somebody else an owner first.",
);

impl Fault for SaveMemberError {
    fn specs() -> Vec<FaultSpec> {
        vec![
            NO_MEMBER,
            NAME_MISSING,
            EMAIL_TAKEN,
            BELONGS_ELSEWHERE,
            LAST_OWNER,
        ]
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NoMember => NO_MEMBER.at("email"),
            Self::NameMissing => NAME_MISSING.at("name"),
            Self::EmailTaken => EMAIL_TAKEN.at("new_email"),
            Self::BelongsElsewhere => BELONGS_ELSEWHERE.at("email"),
            Self::LastOwner => LAST_OWNER.at("role"),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SaveMemberError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        organizations::{ListMembers, RemoveMember},
        testing::{Scene, assert_refused},
    };

    fn saving(email: &str) -> SaveMember {
        SaveMember {
            email: email.parse().unwrap(),
            new_email: None,
            name: None,
            role: None,
        }
    }

    fn named(email: &str, name: &str, role: Role) -> SaveMember {
        SaveMember {
            name: Some(name.parse().unwrap()),
            role: Some(role),
            ..saving(email)
        }
    }

    async fn owner(scene: &Scene) -> String {
        let list = scene.run(ListMembers {}).await.unwrap();
        list.members[0].email.clone()
    }

    #[tokio::test]
    async fn adds_and_changes_a_member_and_keeps_the_record_free_of_names() {
        let scene = Scene::new().await;
        assert_refused(scene.run(saving("ada@example.org")).await, "name_missing");
        let ada = scene
            .run(named("ada@example.org", "Ada", Role::Door))
            .await
            .unwrap();
        assert_eq!((ada.name.as_str(), ada.role), ("Ada", Role::Door));
        let moved = SaveMember {
            new_email: Some("ada@example.com".parse().unwrap()),
            role: Some(Role::Manager),
            ..saving("ADA@example.org")
        };
        scene.run(moved.clone()).await.unwrap();
        assert_refused(scene.run(moved).await, "member_not_found");
        let list = scene.run(ListMembers {}).await.unwrap().members;
        let ada = list
            .iter()
            .find(|member| member.user_id == ada.user_id)
            .unwrap();
        assert_eq!(
            (ada.email.as_str(), ada.role),
            ("ada@example.com", Role::Manager)
        );
        for change in scene.changes().await {
            let said = format!(
                "{} {}",
                change.summary,
                serde_json::to_string(&change).unwrap()
            );
            assert!(!said.contains("Ada") && !said.contains("ada@"), "{said}");
        }
    }

    #[tokio::test]
    async fn an_owner_is_always_left() {
        let scene = Scene::new().await;
        let owner = owner(&scene).await;
        let lower = SaveMember {
            role: Some(Role::Viewer),
            ..saving(&owner)
        };
        let removing = RemoveMember {
            email: owner.parse().unwrap(),
        };
        assert_refused(scene.run(lower.clone()).await, "last_owner");
        assert_refused(scene.run(removing.clone()).await, "last_owner");
        scene
            .run(named("eve@example.org", "Eve", Role::Owner))
            .await
            .unwrap();
        // Both owners step down at once: one of them stays.
        let eve = SaveMember {
            role: Some(Role::Viewer),
            ..saving("eve@example.org")
        };
        let (one, two) = tokio::join!(scene.run(lower), scene.run(eve));
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    }

    #[tokio::test]
    async fn addresses_are_of_one_person_and_not_anothers_to_change() {
        let scene = Scene::new().await;
        scene
            .run(named("ada@example.org", "Ada", Role::Door))
            .await
            .unwrap();
        scene
            .run(named("eve@example.org", "Eve", Role::Door))
            .await
            .unwrap();
        let taking = SaveMember {
            new_email: Some("eve@example.org".parse().unwrap()),
            ..saving("ada@example.org")
        };
        assert_refused(scene.run(taking).await, "email_taken");
        let other = scene.other_organization().await;
        let theirs = scene
            .app
            .run(&other, saving("ada@example.org"))
            .await
            .unwrap();
        assert_eq!(theirs.name, "Ada", "a known person keeps their account");
        let renaming = named("ada@example.org", "Mallory", Role::Door);
        assert_refused(scene.app.run(&other, renaming).await, "belongs_elsewhere");
        let leaving = RemoveMember {
            email: "eve@example.org".parse().unwrap(),
        };
        assert_refused(scene.app.run(&other, leaving).await, "member_not_found");
    }

    #[tokio::test]
    async fn only_owners_manage_the_team() {
        let scene = Scene::new().await;
        let manager = scene.as_role(Role::Manager);
        let adding = named("ada@example.org", "Ada", Role::Owner);
        assert_refused(scene.app.run(&manager, adding).await, "forbidden");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        scene
            .assert_idempotent(named("ada@example.org", "Ada", Role::Door))
            .await;
    }
}
