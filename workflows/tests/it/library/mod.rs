//! The library on a real database, as an organizer gets it: real operations, the stored definitions, and mails as they
//! are handed over. Each workflow is seen to tell exactly those it should, once, and to keep quiet when it should.

mod erasing;
mod events;
mod house;
mod orders;
mod pages;
mod people;
mod team;
mod waitlist;

use house::{ADA, GRACE, HEDY, House, KEY, OWNER, calendar, mail};

#[tokio::test]
async fn every_organization_gets_the_library_however_many_there_are() {
    let scene = operations::testing::Scene::new().await;
    scene
        .database
        .tell(
            "insert into organization (id, name, slug, currency, zone, created_at, updated_at) \
             select gen_random_uuid(), 'O', 'o-' || n, 'EUR', 'Europe/Berlin', now(), now() from generate_series(1, 104) n",
        )
        .await;
    workflows::sync_library(&scene.app).await.unwrap();
    let with =
        "select count(distinct organization_id) from workflow where name = 'order-confirmation'";
    assert_eq!(scene.database.count(with).await, 105);
    workflows::sync_library(&scene.app).await.unwrap();
    assert_eq!(scene.database.count(with).await, 105);
}
