//! The library on a real database, as an organizer gets it: real operations, the stored definitions, and mails as they
//! are handed over. Each workflow is seen to tell exactly those it should, once, and to keep quiet when it should.

mod erasing;
mod events;
mod house;
mod orders;
mod pages;
mod people;
mod team;

use house::{ADA, GRACE, HEDY, House, KEY, OWNER, calendar, mail};
