//! Calendar files: an event as mail programs put it into a calendar, change it there and take it out again.

use domain::{EmailAddress, Timestamp};
use icalendar::{Calendar, Component as _, Event, EventLike as _, Property};

use crate::email::{Attachment, Mailbox};

domain::text_enum! {
    /// What a calendar is to do with an event.
    pub enum Method {
        /// Put it in, or bring it up to date.
        Request = "REQUEST",
        /// Take it out.
        Cancel = "CANCEL",
    }
}

/// An event as a calendar keeps it.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// What to do with it.
    pub method: Method,
    /// Tells events apart; the same in every file about one event.
    pub uid: &'a str,
    /// Rises with every change: calendars ignore files older than what they have.
    pub sequence: u32,
    /// When the file was written.
    pub written_at: Timestamp,
    /// The title.
    pub title: &'a str,
    /// When it starts.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// Where it is.
    pub place: Option<&'a str>,
    /// A page about it.
    pub url: Option<&'a str>,
    /// Who runs it.
    pub organizer: &'a Mailbox,
    /// Who is invited.
    pub attendee: &'a EmailAddress,
}

impl Entry<'_> {
    /// The file, as it is attached to a mail.
    pub fn attachment(&self) -> Attachment {
        Attachment {
            name: "event.ics".to_owned(),
            content_type: format!("text/calendar; method={}; charset=utf-8", self.method),
            content: self.file().into_bytes(),
        }
    }

    /// The file (RFC 5545), with times in UTC, which every calendar shows on its owner's clock.
    pub fn file(&self) -> String {
        let mut event = Event::new();
        event
            .uid(self.uid)
            .add_property("DTSTAMP", utc(self.written_at))
            .add_property("DTSTART", utc(self.starts_at))
            .add_property("DTEND", utc(self.ends_at))
            .add_property("SEQUENCE", self.sequence.to_string())
            .summary(self.title);
        let status = match self.method {
            Method::Request => "CONFIRMED",
            Method::Cancel => "CANCELLED",
        };
        event.add_property("STATUS", status);
        if let Some(place) = self.place {
            event.location(place);
        }
        if let Some(url) = self.url {
            event.add_property("URL", url);
        }
        let mut organizer =
            Property::new("ORGANIZER", format!("mailto:{}", self.organizer.address));
        if let Some(name) = &self.organizer.name {
            // A parameter's value may hold anything but quotes (RFC 5545, 3.2).
            organizer.add_parameter("CN", &format!("\"{}\"", name.replace('"', "'")));
        }
        event.append_property(organizer.done());
        let mut attendee = Property::new("ATTENDEE", format!("mailto:{}", self.attendee));
        attendee
            .add_parameter("ROLE", "REQ-PARTICIPANT")
            .add_parameter("PARTSTAT", "ACCEPTED");
        event.append_property(attendee.done());
        let mut calendar = Calendar::empty();
        calendar
            .append_property(("VERSION", "2.0"))
            .append_property(("PRODID", "-//EventOS//EventOS//EN"))
            .append_property(("CALSCALE", "GREGORIAN"))
            .append_property(("METHOD", self.method.as_str()))
            .push(event.done());
        calendar.to_string()
    }
}

fn utc(at: Timestamp) -> String {
    at.in_zone(&domain::Zone::utc())
        .civil()
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(method: Method, organizer: &'a Mailbox, attendee: &'a EmailAddress) -> Entry<'a> {
        Entry {
            method,
            uid: "evt_1@tickets.example.org",
            sequence: 3,
            written_at: "2027-01-11T09:00:00Z".parse().unwrap(),
            title: "Spring Gala, with dinner; bring: friends",
            starts_at: "2027-02-04T18:00:00Z".parse().unwrap(),
            ends_at: "2027-02-04T21:00:00Z".parse().unwrap(),
            place: Some("Town Hall, Köln"),
            url: Some("https://example.org/e/gala"),
            organizer,
            attendee,
        }
    }

    #[test]
    fn says_what_changed_and_what_is_off() {
        let organizer = Mailbox::new("Größenwahn \"Köln\"", "t@example.org".parse().unwrap());
        let attendee = "ada@example.org".parse().unwrap();
        let file = entry(Method::Request, &organizer, &attendee).file();
        let unfolded = file.replace("\r\n ", "");
        for line in [
            "METHOD:REQUEST",
            "UID:evt_1@tickets.example.org",
            "SEQUENCE:3",
            "DTSTAMP:20270111T090000Z",
            "DTSTART:20270204T180000Z",
            "DTEND:20270204T210000Z",
            "SUMMARY:Spring Gala\\, with dinner\\; bring: friends",
            "ORGANIZER;CN=\"Größenwahn 'Köln'\":mailto:t@example.org",
            "STATUS:CONFIRMED",
        ] {
            assert!(
                unfolded.split("\r\n").any(|l| l == line),
                "{line} is missing:\n{unfolded}"
            );
        }
        assert!(file.split("\r\n").all(|line| line.len() <= 75), "{file}");
        let off = entry(Method::Cancel, &organizer, &attendee).file();
        assert!(
            off.contains("METHOD:CANCEL") && off.contains("STATUS:CANCELLED"),
            "{off}"
        );
    }
}
