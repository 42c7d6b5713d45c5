//! The store on a real database: walls between organizations, commits, the change feed, migrations.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should stop at once"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "tests name their own organizations"
)]

mod feed;
mod forgetting;
mod migrations;
mod transactions;
mod walls;

use domain::{Actor, Cx, OrganizationId, Permissions, UserId};
use sqlx::Executor as _;
use store::{Options, Store};
use testkit::TestDatabase;

/// A store on a database of its own, with two organizations.
struct Rig {
    store: Store,
    database: TestDatabase,
    ours: Cx,
    theirs: Cx,
}

impl Rig {
    async fn new() -> Self {
        let database = TestDatabase::create().await;
        let store = Store::connect(&Options::new(database.url())).unwrap();
        let context = || {
            let user_id = UserId::from(uuid::Uuid::now_v7());
            Cx::new(
                OrganizationId::from(uuid::Uuid::now_v7()),
                Actor::Member { user_id },
                Permissions::all(),
            )
        };
        let (ours, theirs) = (context(), context());
        let mut owner = database.owner().await;
        for (slug, cx) in [("ours", &ours), ("theirs", &theirs)] {
            let insert = "insert into organization (id, name, slug, currency, zone, created_at, updated_at) \
                          values ($1, $2, $2, 'EUR', 'Etc/UTC', now(), now())";
            owner
                .execute(sqlx::query(insert).bind(cx.organization_id).bind(slug))
                .await
                .unwrap();
        }
        Self {
            store,
            database,
            ours,
            theirs,
        }
    }
}
